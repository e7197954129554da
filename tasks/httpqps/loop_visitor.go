package httpqps

import (
	"errors"
	"io"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// activity is what a loopVisitor is about.
type activity uint8

const (
	resting activity = iota // until the timer, with a connection or without
	connecting
	asking // a request is in flight
)

// loopVisitor is one user on an event loop. Its methods are called on the
// loop's goroutine.
type loopVisitor struct {
	connection engine.Conn
	// timer ends a rest, or the time of a request. While a user asks, the timer
	// may be that of an earlier request: one that answers thousands of requests
	// in that time need not move it for each.
	timer    engine.Timer
	source   *loopSource
	exchange *exchange     // nil unless asking
	since    time.Duration // of the request, or of the dial
	drought  drought
	activity activity
	joined   bool
	leaving  bool // after this request
}

var (
	_ user.EventUser = (*loopVisitor)(nil)
	_ engine.Handler = (*loopVisitor)(nil)
	_ engine.Expirer = (*loopVisitor)(nil)
)

// Start connects. The user counts as present when that has ended, one way or
// the other: it stays and goes on trying.
func (v *loopVisitor) Start() { v.dial() }

func (v *loopVisitor) join() {
	if !v.joined {
		v.joined = true
		v.source.scope.Joined()
	}
}

// next begins the next request, on a new connection if there is none. Nothing
// was sent on one that the server ended at rest, so replacing it is no
// repetition of a request.
func (v *loopVisitor) next(now time.Duration) {
	if v.connection.Opened() {
		v.ask(now)
	} else {
		v.dial()
	}
}

func (v *loopVisitor) dial() {
	loop := v.source.scope.Loop
	v.activity, v.since = connecting, loop.Now()
	if err := loop.Dial(&v.connection, v.source.engineTarget, v); err != nil {
		v.OnClose(&v.connection, err)
	}
}

// OnOpen implements engine.Handler.
func (v *loopVisitor) OnOpen(*engine.Conn) {
	v.drought.opened()
	v.join()
	v.ask(v.source.scope.Loop.Now())
}

// ask sends the request; its latency counts from now.
func (v *loopVisitor) ask(now time.Duration) {
	s := v.source
	if err := v.connection.Write(s.request); err != nil && v.drought.answered {
		// Not a byte of it was taken: the server had ended the connection after
		// its last answer, or hasn't read all of the request before.
		v.connection.Close()
		v.dial()
		return
	}
	// An error on a fresh connection comes again through OnClose, behind what
	// the server may have sent.
	v.activity, v.since, v.exchange = asking, now, s.takeExchange()
	if !v.timer.Armed() {
		s.scope.Loop.Schedule(&v.timer, s.options.timeout, v)
	}
}

// OnTimer implements engine.Expirer.
func (v *loopVisitor) OnTimer(*engine.Timer) {
	s := v.source
	now := s.scope.Loop.Now()
	switch v.activity {
	case resting:
		v.next(now)
	case asking:
		if left := v.since + s.options.timeout - now; left > 0 {
			s.scope.Loop.Schedule(&v.timer, left, v)
			return
		}
		v.broken(now, s.failures.transport(engine.ErrTimeout))
	case connecting: // an old timer; the engine has one for the dial
	}
}

// OnData implements engine.Handler.
func (v *loopVisitor) OnData(_ *engine.Conn, data []byte) {
	now := v.source.scope.Loop.Now()
	x := v.exchange
	if x == nil {
		v.connection.Close() // nobody asked: what follows can't be told from an answer
		return
	}
	for len(data) > 0 && !x.parser.Done() {
		consumed, body, err := x.parser.Feed(data)
		if len(body) > 0 {
			x.check.add(body)
		}
		if err != nil {
			v.broken(now, v.source.failures.malformed(err))
			return
		}
		data = data[consumed:]
	}
	if x.parser.Done() {
		v.answer(now, len(data) == 0)
	}
}

// answer records a whole answer. clean says that nothing came behind it.
func (v *loopVisitor) answer(now time.Duration, clean bool) {
	s, x := v.source, v.exchange
	latency, size := now-v.since, x.check.total
	switch code := x.parser.Status(); {
	case !s.statuses.has(code):
		s.scope.Fail(s.row, now, latency, size, s.failures.status(code))
	case !x.check.met():
		s.scope.Fail(s.row, now, latency, size, s.scope.Failure(x.check.text()))
	default:
		s.scope.Success(s.row, now, latency, size)
	}
	v.drought.ended()
	if !clean || !s.options.keepAlive || !x.parser.KeepAlive() {
		v.connection.Close()
	}
	v.settle()
	v.rest(now, s.wait())
}

// broken records a request without a whole answer and gives its connection up:
// a late answer would be taken for that of the next request.
func (v *loopVisitor) broken(now time.Duration, failure user.Failure) {
	s, latency := v.source, now-v.since
	s.scope.Fail(s.row, now, latency, v.exchange.check.total, failure)
	v.connection.Close()
	v.settle()
	pause := v.drought.broken(latency >= s.options.timeout)
	v.rest(now, max(s.wait(), pause))
}

// OnClose implements engine.Handler.
func (v *loopVisitor) OnClose(_ *engine.Conn, err error) {
	if errors.Is(err, engine.ErrClosed) {
		return // the loop ends: nobody's failure
	}
	now := v.source.scope.Loop.Now()
	switch v.activity {
	case resting: // the next request gets a new one
	case connecting:
		v.refused(now, err)
	case asking:
		if errors.Is(err, io.EOF) && v.exchange.parser.End() == nil {
			v.answer(now, false)
			return
		}
		v.broken(now, v.source.failures.transport(err))
	}
}

// refused records a connect that failed, in the place of the request.
func (v *loopVisitor) refused(now time.Duration, err error) {
	s := v.source
	s.scope.Fail(s.row, now, now-v.since, 0, s.failures.transport(err))
	pause := v.drought.refused()
	if v.joined { // else there was no request before to wait after
		pause = max(pause, s.wait())
	}
	v.join()
	v.rest(now, pause)
}

// rest waits before the next request, or leaves if that was asked for.
func (v *loopVisitor) rest(now, pause time.Duration) {
	v.activity = resting
	switch {
	case v.leaving:
		v.close()
		v.source.scope.Ended(v)
	case pause > 0:
		v.source.scope.Loop.Schedule(&v.timer, pause, v)
	default:
		v.next(now)
	}
}

// settle gives back what a request in flight needed.
func (v *loopVisitor) settle() {
	if v.exchange != nil {
		v.source.giveExchange(v.exchange)
		v.exchange = nil
	}
}

// Stop lets a request in flight have its answer: the target has counted it.
func (v *loopVisitor) Stop() bool {
	if v.activity == asking {
		v.leaving = true
		return false
	}
	v.close()
	return true
}

// Kill implements user.EventUser. A request in flight is nobody's failure.
func (v *loopVisitor) Kill() { v.close() }

func (v *loopVisitor) close() {
	v.activity = resting
	v.source.scope.Loop.Cancel(&v.timer)
	v.connection.Close()
	v.settle()
	if v.joined {
		v.joined = false
		v.source.scope.Left()
	}
}
