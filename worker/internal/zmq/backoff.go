package zmq

import (
	"context"
	"math/rand/v2"
	"time"
)

// minPause separates two connections with the same identity. The master's
// ROUTER has no handover: while it holds the old connection it swallows the
// first message of the new one and reads nothing from it.
const minPause = 100 * time.Millisecond

// backoff grows the pause between attempts. One goroutine.
type backoff struct {
	min, max, next time.Duration
}

func newBackoff(config Config) *backoff {
	return &backoff{min: config.BackoffMin, max: config.BackoffMax, next: config.BackoffMin}
}

// pause returns the time to wait before the next attempt: the base, doubled
// each time up to the maximum, plus up to half of it at random, so that a
// thousand workers do not knock at a restarted master together.
func (b *backoff) pause() time.Duration {
	base := b.next
	b.next = min(2*b.next, b.max)
	return base + rand.N(base/2+1)
}

// reset starts again at the minimum, after a connection proved healthy.
func (b *backoff) reset() { b.next = b.min }

// healthyAfter is how long a connection must last to count as healthy: longer
// than any pause, so that a peer that hangs up at once is still left alone.
func (c Config) healthyAfter() time.Duration { return 2 * c.BackoffMax }

// sleep waits for a time or the end of ctx and tells whether ctx goes on.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
