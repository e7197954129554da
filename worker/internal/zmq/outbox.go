package zmq

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// outbox is the queue of one connection at a time. What was queued for a
// connection is dropped with it: a message that reached the next one would
// arrive before the worker has introduced itself there, and some of those end
// the master's listener for everybody.
//
// Safe from any goroutine; take and settle belong to the one that writes.
type outbox struct {
	maxMessages, maxBytes, maxFrame int

	// ready holds a token while there may be something to take.
	ready chan struct{}

	mu       sync.Mutex
	epoch    uint64 // of the current connection, or of the last one
	open     bool   // Send is allowed
	dropped  bool   // nothing of this epoch will be settled any more
	queue    [][]byte
	count    int           // messages accepted and not settled
	bytes    int           // their length
	accepted uint64        // messages of this epoch
	settled  uint64        // of those: handed on
	progress chan struct{} // closed when settled or open change; nil if nobody waits
}

func newOutbox(config Config) *outbox {
	return &outbox{
		maxMessages: config.QueueMessages,
		maxBytes:    config.QueueBytes,
		maxFrame:    config.MaxFrame,
		ready:       make(chan struct{}, 1),
	}
}

// begin opens the queue for a new connection and returns its epoch.
func (o *outbox) begin() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.epoch++
	o.open, o.dropped = true, false
	o.accepted, o.settled = 0, 0
	return o.epoch
}

// shut refuses further messages and keeps those that are queued.
func (o *outbox) shut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open = false
}

// drop ends the epoch: it refuses further messages, forgets those that are
// queued and ends every wait for them.
func (o *outbox) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open, o.dropped = false, true
	clear(o.queue)
	o.queue = o.queue[:0]
	o.count, o.bytes = 0, 0
	o.announce()
}

// send queues a copy of b.
func (o *outbox) send(epoch uint64, b []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.check(epoch); err != nil {
		return err
	}
	switch {
	case len(b) > o.maxFrame:
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(b), o.maxFrame)
	// A single message may exceed the byte limit, or it could never be sent.
	case o.count >= o.maxMessages, o.count > 0 && o.bytes+len(b) > o.maxBytes:
		return fmt.Errorf("%w: %d messages, %d bytes are waiting", ErrQueueFull, o.count, o.bytes)
	}
	o.queue = append(o.queue, slices.Clone(b))
	o.count++
	o.bytes += len(b)
	o.accepted++
	o.wake()
	return nil
}

// check tells whether messages of that epoch can be queued. Caller holds mu.
func (o *outbox) check(epoch uint64) error {
	switch {
	case epoch > 0 && epoch < o.epoch:
		return ErrStale
	case epoch != o.epoch || !o.open:
		return ErrNotConnected
	default:
		return nil
	}
}

// take moves messages from the queue to the end of batch, up to about limit
// bytes and at least one. They count against the limits until settled.
func (o *outbox) take(batch [][]byte, limit int) [][]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	taken, size := 0, 0
	for taken < len(o.queue) && (taken == 0 || size+len(o.queue[taken]) <= limit) {
		size += len(o.queue[taken])
		taken++
	}
	batch = append(batch, o.queue[:taken]...)
	o.queue = slices.Delete(o.queue, 0, taken)
	if len(o.queue) > 0 {
		o.wake()
	}
	return batch
}

// settle notes that a batch of this epoch was handed on.
func (o *outbox) settle(batch [][]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dropped {
		return
	}
	for _, b := range batch {
		o.bytes -= len(b)
	}
	o.count -= len(batch)
	o.settled += uint64(len(batch))
	o.announce()
}

// flush waits until every message that was accepted on that epoch before the
// call is settled.
func (o *outbox) flush(ctx context.Context, epoch uint64) error {
	o.mu.Lock()
	goal := o.accepted
	for {
		done, err := o.flushed(epoch, goal)
		if done || err != nil {
			o.mu.Unlock()
			return err
		}
		if o.progress == nil {
			o.progress = make(chan struct{})
		}
		progress := o.progress
		o.mu.Unlock()
		select {
		case <-ctx.Done():
			return fmt.Errorf("flush to the master: %w", context.Cause(ctx))
		case <-progress:
		}
		o.mu.Lock()
	}
}

// flushed tells whether the first goal messages of that epoch are settled, or
// why they never will be. Caller holds mu.
func (o *outbox) flushed(epoch, goal uint64) (bool, error) {
	switch {
	case epoch > 0 && epoch < o.epoch:
		return false, ErrStale
	case epoch == 0 || epoch > o.epoch:
		return false, ErrNotConnected
	case o.settled >= goal:
		return true, nil
	case o.dropped:
		return false, ErrNotConnected
	default:
		return false, nil
	}
}

// wake leaves a token for the writer.
func (o *outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// announce ends the waits of flush for a fresh look. Caller holds mu.
func (o *outbox) announce() {
	if o.progress != nil {
		close(o.progress)
		o.progress = nil
	}
}
