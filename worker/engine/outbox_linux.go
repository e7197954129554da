//go:build linux && !portable

package engine

const (
	spareOutboxes   = 64
	spareOutboxSize = 64 << 10
)

// outbox keeps what the kernel did not take yet of one connection's writes.
type outbox struct {
	bytes []byte
	sent  int // bytes at the front that the kernel has taken since
}

func (o *outbox) pending() []byte { return o.bytes[o.sent:] }

func (o *outbox) append(data []byte) {
	if o.sent > 0 && len(o.bytes)+len(data) > cap(o.bytes) {
		o.bytes = o.bytes[:copy(o.bytes, o.pending())]
		o.sent = 0
	}
	o.bytes = append(o.bytes, data...)
}

// takeOutbox gives an empty outbox, if possible one that served before: writes
// to slow readers then allocate nothing in the long run.
func (s *sockets) takeOutbox() *outbox {
	last := len(s.spareOuts) - 1
	if last < 0 {
		return &outbox{}
	}
	o := s.spareOuts[last]
	s.spareOuts = s.spareOuts[:last]
	return o
}

// giveOutbox keeps an outbox for later, unless there are many or it is large.
func (s *sockets) giveOutbox(o *outbox) {
	if len(s.spareOuts) < spareOutboxes && cap(o.bytes) <= spareOutboxSize {
		o.bytes, o.sent = o.bytes[:0], 0
		s.spareOuts = append(s.spareOuts, o)
	}
}
