package zmq

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	b := newBackoff(Config{}.withDefaults())
	for round := range 2 {
		for attempt, base := range []int{100, 200, 400, 800, 1000, 1000} {
			least := time.Duration(base) * time.Millisecond
			if got := b.pause(); got < least || got > least*3/2 {
				t.Errorf("round %d, attempt %d: %v, want %v to %v", round, attempt, got, least, least*3/2)
			}
		}
		b.reset()
	}
}
