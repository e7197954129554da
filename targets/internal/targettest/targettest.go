// Package targettest holds what the tests of all targets need: a server that
// runs for the length of a test, and stats that are waited for.
package targettest

import (
	"context"
	"testing"
	"time"

	"upsurge/targets"
)

const (
	// Patience bounds what a test waits for; only a test that fails uses it
	// up.
	Patience = 30 * time.Second

	pollInterval = 2 * time.Millisecond
)

// Target is what is tested.
type Target interface {
	Run(context.Context) error
	Stats() targets.Stats
}

// Start runs the target. The returned function ends it, fails the test if Run
// returned an error, and returns the last stats; it is called at the end of
// the test if not before.
func Start(t testing.TB, target Target) (stop func() targets.Stats) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- target.Run(ctx) }()
	stopped := false
	stop = func() targets.Stats {
		if !stopped {
			stopped = true
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		}
		return target.Stats()
	}
	t.Cleanup(func() { stop() })
	return stop
}

// Await waits until the stats are as wanted and returns them.
func Await(t testing.TB, target Target, what string, wanted func(targets.Stats) bool) targets.Stats {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		stats := target.Stats()
		if wanted(stats) {
			return stats
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s: %+v", what, stats)
		}
		time.Sleep(pollInterval)
	}
}
