//go:build goczmq

package zmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zeromq/goczmq"
)

// receiveBurst is how many messages are taken before the owner looks at its
// other duties.
const receiveBurst = 64

// owner is the state of the goroutine that owns a link while it serves. It
// never blocks on the consumer, so that a slow one holds up neither sending
// nor the end.
type owner struct {
	link    *link
	dealer  *Dealer
	epoch   uint64
	resets  <-chan string
	rung    <-chan struct{} // a token for each ring of the bell that was not seen
	start   time.Time
	settled bool
	batch   [][]byte // taken from the outbox, not yet with libzmq
	waiting []Event  // received, not yet with the consumer
	warned  bool

	received int // messages taken from libzmq
}

// loop serves until the connection ends, and returns why.
func (o *owner) loop(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return ErrStopped
		}
		select {
		case reason := <-o.resets:
			return fmt.Errorf("%w: %s", ErrReset, reason)
		default:
		}
		// Receive first: what came before the end of a connection is delivered.
		if err := o.receive(); err != nil {
			return err
		}
		if err := o.send(); err != nil {
			return err
		}
		o.settle()
		o.dealer.hear()
		if err := o.wait(); err != nil {
			return err
		}
	}
}

// wait sleeps until something happens, for statePoll at most: inside libzmq,
// or on the consumer while that is behind.
func (o *owner) wait() error {
	if len(o.waiting) > 0 {
		timer := time.NewTimer(statePoll)
		defer timer.Stop()
		select {
		case o.dealer.events <- o.waiting[0]:
			o.waiting = o.waiting[1:]
		case <-o.rung:
		case <-timer.C:
		}
		return nil
	}
	if _, err := o.link.waiter.Wait(int(statePoll.Milliseconds())); err != nil {
		return fmt.Errorf("wait in libczmq: %w", err)
	}
	for goczmq.Events(o.link.bell)&goczmq.Pollin != 0 {
		if _, _, err := o.link.bell.RecvFrame(); err != nil {
			break // interrupted by a signal; the next round sees it again
		}
	}
	return nil
}

// receive takes messages and passes on as many as the consumer has room for.
func (o *owner) receive() error {
	for range receiveBurst {
		if !o.offer() || !o.link.readable() {
			return nil
		}
		body, more, err := o.link.dealer.RecvFrame()
		if errors.Is(err, goczmq.ErrRecvFrame) {
			return nil // interrupted by a signal; the next round sees it again
		}
		if err != nil {
			return fmt.Errorf("receive from the master: %w", err)
		}
		o.received++
		if more == 0 {
			o.waiting = append(o.waiting, Event{Kind: Message, Epoch: o.epoch, Data: body})
			continue
		}
		o.skip()
	}
	return nil
}

// skip takes the rest of a message of more than one frame. libzmq has all of
// it when it gives the first.
func (o *owner) skip() {
	for more := 1; more != 0 && o.link.readable(); {
		if _, next, err := o.link.dealer.RecvFrame(); err == nil {
			more = next
		}
	}
	if !o.warned {
		o.warned = true
		o.dealer.report.multipart(o.epoch)
	}
}

// offer gives the consumer what waits for it, without blocking, and tells
// whether nothing is left.
func (o *owner) offer() bool {
	for len(o.waiting) > 0 {
		select {
		case o.dealer.events <- o.waiting[0]:
			o.waiting = o.waiting[1:]
		default:
			return false
		}
	}
	o.waiting = nil
	return true
}

// deliver gives the consumer what waits for it, and blocks.
func (o *owner) deliver() {
	for _, event := range o.waiting {
		o.dealer.events <- event
	}
	o.waiting = nil
}

// send hands the queue to libzmq as far as it goes, and finds out whether the
// connection is still there.
func (o *owner) send() error {
	for {
		if !o.link.writable() {
			if o.link.window.mayBeFull(time.Now()) {
				return nil
			}
			return fmt.Errorf("%w, or fell silent for %v: libzmq does not tell which",
				ErrPeerClosed, o.dealer.config.ReadTimeout)
		}
		if len(o.batch) == 0 {
			o.batch = o.dealer.outbox.take(o.batch[:0], batchSize)
		}
		if len(o.batch) == 0 {
			return nil
		}
		if !o.sendOne(o.batch[0]) {
			return nil
		}
		o.dealer.outbox.settle(o.batch[:1])
		o.batch = o.batch[1:]
	}
}

// sendOne hands one message to libzmq and tells whether it took it.
func (o *owner) sendOne(body []byte) bool {
	for range sendTries {
		if o.link.dealer.SendFrame(body, goczmq.FlagDontWait) == nil {
			o.link.window.sent(time.Now())
			o.dealer.delivered.Add(1)
			return true
		}
	}
	return false
}

// settle reports a connection that has lasted.
func (o *owner) settle() {
	if !o.settled && time.Since(o.start) >= o.dealer.config.healthyAfter() {
		o.settled = true
		o.dealer.report.settled(o.epoch)
	}
}

// finish hands the rest of the queue to libzmq, within Linger, and receives
// until the master has been quiet for a fifth of that: closing a socket makes
// the peer's kernel throw away what the peer has not read if anything arrives
// afterwards, and libzmq can't close one direction only. What libzmq could not
// send yet has the rest of Linger.
func (o *owner) finish() {
	linger := o.dealer.config.Linger
	end := time.Now().Add(linger)
	busy := time.Now()
	for time.Now().Before(end) && time.Since(busy) < linger/5 {
		received := o.received
		if o.receive() != nil || o.send() != nil {
			break
		}
		if o.received != received || len(o.batch) > 0 {
			busy = time.Now()
		}
		time.Sleep(time.Millisecond)
	}
	rest := max(time.Until(end), 0)
	o.link.dealer.SetOption(goczmq.SockSetLinger(int(rest.Milliseconds())))
}

// sendWindow tells a full queue from a lost connection. libzmq says "not
// writable" for both. Its queue holds limit messages, and none of them for
// longer than span, after which silence ends the connection: with fewer sent
// in that time the queue cannot be full.
type sendWindow struct {
	limit         int
	span          time.Duration
	began         time.Time
	now, previous int // messages in this span, and in the one before
}

func (w *sendWindow) sent(at time.Time) {
	w.turn(at)
	w.now++
}

func (w *sendWindow) mayBeFull(at time.Time) bool {
	w.turn(at)
	return w.now+w.previous >= w.limit
}

func (w *sendWindow) turn(at time.Time) {
	switch elapsed := at.Sub(w.began); {
	case elapsed >= 2*w.span:
		w.began, w.now, w.previous = at, 0, 0
	case elapsed >= w.span:
		w.began, w.now, w.previous = w.began.Add(w.span), 0, w.now
	}
}
