package engine

import "time"

// Clock gives moments as the time since its origin. They come from the
// monotonic clock, so a step of the wall clock moves none of them. The zero
// Clock is not usable; make one with NewClock.
type Clock struct {
	origin time.Time
}

// NewClock returns a clock whose origin is now.
func NewClock() Clock { return Clock{origin: time.Now()} }

// Now is the time since the origin. Safe from any goroutine.
func (c Clock) Now() time.Duration { return time.Since(c.origin) }

// Wall is the wall-clock time of a moment, by the wall clock at the origin.
func (c Clock) Wall(moment time.Duration) time.Time { return c.origin.Add(moment) }
