package roster

import "time"

// pace spreads a number of starts (or, below zero, stops) evenly over a
// window: after the share f of it, the share f of them is due, and the first
// is due at once. It reads no clock.
type pace struct {
	total, remaining int
	from             time.Duration
	window           time.Duration
}

// minimumWait is the shortest wait between two steps: what is due in less is
// done together. It is the resolution of the loop's timers.
const minimumWait = time.Millisecond

func (p *pace) plan(now time.Duration, n int, window time.Duration) {
	*p = pace{total: n, remaining: n, from: now, window: max(window, 0)}
}

// again adds one start no sooner than after the pause.
func (p *pace) again(now, pause time.Duration) {
	n := p.remaining + 1
	p.plan(now+pause, n, p.window)
}

// due takes what is due by now, but no more than the most, and returns it with
// the sign of the plan.
func (p *pace) due(now time.Duration, most int) int {
	if p.remaining == 0 || now < p.from {
		return 0
	}
	size, sign := p.total, 1
	if size < 0 {
		size, sign = -size, -1
	}
	reached := size
	if elapsed := now - p.from; elapsed < p.window {
		reached = min(size, 1+int(float64(size)*(float64(elapsed)/float64(p.window))))
	}
	take := min(reached-(size-p.remaining*sign), most)
	p.remaining -= take * sign
	return take * sign
}

// wait is the time until the next one is due: 0 if it is long overdue.
func (p *pace) wait(now time.Duration) time.Duration {
	size := max(p.total, -p.total)
	done := size - max(p.remaining, -p.remaining)
	next := p.from
	if done > 0 {
		next += time.Duration(float64(p.window) * float64(done) / float64(size))
	}
	if next+minimumWait < now {
		return 0
	}
	return max(next-now, minimumWait)
}
