package server

import "time"

// The parts of a loop that both builds share. Everything here runs on the
// loop's goroutine (portable build: under the loop's mutex).

// opened enters an accepted connection in the books.
func (l *loop) opened(c *Conn) {
	c.loop = l
	c.timer.conn = c
	l.counters.Accepted++
	l.counters.Open++
	l.handler.OnOpen(c)
	l.reap()
}

// reap closes the connections that callbacks have given up. Closing waits for
// the end of the callback so that no handler finds its connection gone under
// its hands.
func (l *loop) reap() {
	for len(l.doomed) > 0 {
		c := l.doomed[len(l.doomed)-1]
		l.doomed = l.doomed[:len(l.doomed)-1]
		l.destroy(c)
	}
}

// destroy closes the socket and takes the connection out of the books.
func (l *loop) destroy(c *Conn) {
	c.flags |= flagDoomed | flagClosed
	l.wheel.stop(&c.timer)
	c.closeSocket()
	l.counters.Open--
	l.counters.Closed++
	l.handler.OnClose(c)
	l.release(c)
}

// elapsed is the loop's clock: monotonic time since its start.
func (l *loop) elapsed() time.Duration { return time.Since(l.started) }

// setTimer reads the clock itself: the time at which the loop woke up may be
// long ago when a batch is large, and a timer must not be early.
func (l *loop) setTimer(c *Conn, d time.Duration) {
	l.setTimerTick(c, ticksCeil(l.elapsed()+d))
}

// fireTimers runs what is due by now.
func (l *loop) fireTimers() {
	now := int64(l.elapsed() / time.Millisecond)
	l.wheel.advance(now, (*Conn).expired)
	l.reap()
}

// untilNextTimer is how long the loop may sleep; false means for ever.
func (l *loop) untilNextTimer() (time.Duration, bool) {
	tick, ok := l.wheel.nextTick()
	if !ok {
		return 0, false
	}
	return max(0, time.Duration(tick)*time.Millisecond-l.elapsed()), true
}
