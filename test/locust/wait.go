package locust

import (
	"testing"
	"time"
)

// pollInterval is how often a condition is looked at: short beside Locust's own
// intervals (one second and more), long enough to cost nothing.
const pollInterval = 50 * time.Millisecond

// Until polls the condition until it is true and fails the test when that takes
// longer than timeout; what completes the sentence "waiting for …".
func Until(t testing.TB, timeout time.Duration, what string, condition func() bool) {
	t.Helper()
	if !poll(timeout, condition) {
		t.Fatalf("waited %v for %s", timeout, what)
	}
}

// poll tells whether the condition became true within timeout. It is looked at
// once more after the deadline, so that a test process that was stopped for a
// while does not give up on a condition that has long come true.
func poll(timeout time.Duration, condition func() bool) bool {
	deadline := time.Now().Add(timeout)
	for {
		late := !time.Now().Before(deadline)
		if condition() {
			return true
		}
		if late {
			return false
		}
		time.Sleep(pollInterval)
	}
}
