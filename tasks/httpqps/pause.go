package httpqps

import "time"

// The pause after a connection that brought no answer doubles with each such
// connection in a row. Without it a dead target would be dialled in a busy
// loop by every user.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = time.Second
)

// drought counts the connections in a row that gave no answer.
type drought struct {
	barren int32
	// answered: the present connection gave an answer.
	answered bool
}

// opened is called for each new connection.
func (d *drought) opened() { d.answered = false }

// ended is called for each answer.
func (d *drought) ended() { d.barren, d.answered = 0, true }

// refused returns the pause after a connect that failed.
func (d *drought) refused() time.Duration {
	d.barren++
	return barrenPause(d.barren)
}

// broken returns the pause after a request that failed with its connection.
// One such connection in a row is a failure like others; when a server ends
// them all unanswered, it is as good as gone. A timeout has waited long enough.
func (d *drought) broken(timedOut bool) time.Duration {
	if d.answered {
		return 0
	}
	if d.barren++; d.barren == 1 || timedOut {
		return 0
	}
	return barrenPause(d.barren - 1)
}

// barrenPause is the pause after the n-th connection without an answer.
func barrenPause(n int32) time.Duration {
	const doublings = 4 // reach lastPause
	return min(firstPause<<min(max(n-1, 0), doublings), lastPause)
}
