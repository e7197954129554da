package fleet_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/internal/stats"
	"upsurge/worker/user"
)

func (b *books) add(other *books) {
	for row, n := range other.samples {
		b.samples[row] += n
	}
	for row, n := range other.failed {
		b.failed[row] += n
	}
	for row, n := range other.bytes {
		b.bytes[row] += n
	}
	for key, n := range other.errors {
		b.errors[key] += n
	}
	b.latencies += other.latencies
}

// compare says where a report differs from the books.
func (b *books) compare(t *testing.T, report *stats.Report) {
	t.Helper()
	total := report.Total()
	if total.TotalLatency() != b.latencies {
		t.Errorf("latencies of %v, want %v", total.TotalLatency(), b.latencies)
	}
	if got := len(report.Rows()); got != len(b.samples) {
		t.Errorf("%d rows, want %d", got, len(b.samples))
	}
	for _, row := range report.Rows() {
		if row.Count != b.samples[row.Name] || row.Failures != b.failed[row.Name] || row.Bytes != b.bytes[row.Name] {
			t.Errorf(
				"row %s: %d samples, %d failures, %d bytes, want %d, %d, %d", row.Name,
				row.Count, row.Failures, row.Bytes, b.samples[row.Name], b.failed[row.Name], b.bytes[row.Name],
			)
		}
	}
	seen := make(map[string]int64)
	for _, e := range report.Errors() {
		seen[e.Name+" "+e.Text] += e.Count
	}
	for key, n := range b.errors {
		if seen[key] != n {
			t.Errorf("error %q: %d times, want %d", key, seen[key], n)
		}
	}
}

// The seconds of the statistics are those of the clock that SetOrigin gives.
func TestSetOrigin(t *testing.T) {
	h := launch(t, slog.DiscardHandler, events("E", &ledger{every: time.Millisecond}), blocking("B", &ledger{every: time.Millisecond}))
	origin := time.Unix(1_000_000_000, 0)
	h.SetOrigin(origin)
	h.begin()
	h.Apply(map[string]int{"E": 2, "B": 2}, 0, time.Second)
	h.settled()
	for len(h.report.Rows()) < len(rowNames) {
		h.everySample()
	}
	latest := h.Clock().Now()
	for _, row := range h.report.Rows() {
		for _, second := range row.PerSecond {
			if offset := second.Second - origin.Unix(); offset < 0 || offset > int64(latest/time.Second) {
				t.Errorf("samples in second %d, %d s from the origin", second.Second, offset)
			}
		}
	}
}

// Nothing can be fetched from loops that have ended, and saying so must not
// wait for them.
func TestCollectAfterTheEnd(t *testing.T) {
	h := launch(t, slog.DiscardHandler, events("E", &ledger{}))
	h.close()
	if h.Collect() {
		t.Error("a collection that nobody will deliver")
	}
}

// A million users that meet the same limit give one line of advice a test.
func TestAdvice(t *testing.T) {
	var logs bytes.Buffer
	d := &ledger{bind: func(scope user.Scope) {
		for range 10 {
			scope.Advise(engine.NoPorts)
			scope.Advise(engine.NoDescriptors)
		}
	}}
	h := launch(t, slog.NewTextHandler(&logs, nil), events("E", d))
	for range 2 {
		h.begin()
		h.Apply(map[string]int{"E": 2}, 0, time.Second)
		h.settled()
		h.Clear(0, true)
		h.until("nobody is left", h.Empty)
	}
	h.close()
	for _, failure := range []engine.Failure{engine.NoPorts, engine.NoDescriptors} {
		if got := strings.Count(logs.String(), "failure: "+failure.String()); got != 2 {
			t.Errorf("advice about %q given %d times in two tests", failure, got)
		}
	}
}

type bomb struct{}

func (bomb) OnTimer(*engine.Timer) { panic("boom") }

// A panic in a callback is an exception; the loop goes on.
func TestPanicInACallback(t *testing.T) {
	d := &ledger{bind: func(scope user.Scope) { scope.Loop.Schedule(&engine.Timer{}, 0, bomb{}) }}
	h := launch(t, slog.DiscardHandler, events("E", d))
	h.begin()
	h.Apply(map[string]int{"E": 2}, 5*time.Millisecond, time.Second)
	h.settled()
	for end := time.Now().Add(patience); h.seen() < 2 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	h.close()
	if got := h.exceptions(); len(got) != 2 || got[0] != "panic: boom" {
		t.Errorf("exceptions %q, want one of each loop", got)
	}
}
