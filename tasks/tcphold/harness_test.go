package tcphold_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"upsurge/tasks/internal/stage"
	"upsurge/tasks/tcphold"
)

const (
	connectRow = "TCP connect"
	receiveRow = "TCP recv"
)

// hold is a stage with the class; unless the options say otherwise, its users
// reconnect after a millisecond.
func hold(t testing.TB, host string, options stage.Options) *stage.Stage {
	t.Helper()
	all := stage.Options{"tcp-hold-wait-min": "1ms", "tcp-hold-wait-max": "1ms"}
	maps.Copy(all, options)
	return stage.New(t, tcphold.Class(), host, all)
}

// failures are the failure texts of samples, "" for successes.
func failures(samples []stage.Sample) []string {
	var texts []string
	for _, s := range samples {
		texts = append(texts, s.Failure)
	}
	return texts
}

func wantFailure(t testing.TB, s stage.Sample, row, failure string) {
	t.Helper()
	if s.Row != row || s.Failure != failure {
		t.Errorf("got %+v, want failure %q of %s", s, failure, row)
	}
}

func long(text string) string { return strings.Repeat(text, 100) }

// untouched is longer than any test: what waits for it does not come.
const untouched = 24 * time.Hour
