package fleet_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"upsurge/worker/internal/fleet"
	"upsurge/worker/internal/stats"
	"upsurge/worker/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests. Nothing is expected to need it.
const patience = 30 * time.Second

// harbour is a fleet that runs until the test ends, or until it is closed.
// The test's goroutine owns it.
type harbour struct {
	*fleet.Fleet
	t      *testing.T
	report stats.Report
	parts  int // of the collection under way
	close  func()
	mu     sync.Mutex
	shown  []string // exceptions
}

func launch(t *testing.T, logs slog.Handler, classes ...user.Class) *harbour {
	t.Helper()
	h := &harbour{t: t}
	var err error
	h.Fleet, err = fleet.New(fleet.Config{Loops: 2, Classes: classes, Logger: slog.New(logs), Exception: h.exception})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	h.close = sync.OnceFunc(func() {
		h.Clear(0, true)
		h.until("nobody is left", h.Empty)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		waiting, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		if err := h.WaitUsers(waiting); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(h.close)
	return h
}

func (h *harbour) exception(message, _ string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shown = append(h.shown, message)
}

// exceptions takes those that were shown so far.
func (h *harbour) exceptions() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() { h.shown = nil }()
	return h.shown
}

// begin starts a test without options.
func (h *harbour) begin() { h.Begin(fleet.Test{}) }

// until does an owner's duties until it holds; it looks only after something
// was signalled.
func (h *harbour) until(what string, holds func() bool) {
	h.t.Helper()
	limit := time.After(patience)
	for !holds() {
		select {
		case preparation := <-h.Prepared():
			h.Open(preparation)
		case <-h.Changed():
		case part := <-h.Parts():
			h.take(part)
		case <-limit:
			h.t.Fatalf("waited %v until %s", patience, what)
		}
	}
}

func (h *harbour) take(part fleet.Part) {
	for _, block := range part.Blocks {
		h.report.Add(block)
	}
	part.Release()
	h.parts--
	if last := h.Received(); last != (h.parts == 0) {
		h.t.Errorf("last part: %v, with %d to come", last, h.parts)
	}
}

// collect asks for the samples, unless it has already.
func (h *harbour) collect() {
	h.t.Helper()
	if begun := h.Collect(); begun != (h.parts == 0) {
		h.t.Errorf("collection begun: %v, with %d parts of the one before to come", begun, h.parts)
	}
	if h.parts == 0 {
		h.parts = 2
	}
}

// everySample fetches the samples until none can be missing.
func (h *harbour) everySample() {
	h.t.Helper()
	h.until("the collection before is done", func() bool { return h.parts == 0 })
	h.collect()
	h.until("the last collection is done", func() bool { return h.parts == 0 })
}

// preparation waits for a class without opening it.
func (h *harbour) preparation() fleet.Preparation {
	h.t.Helper()
	select {
	case p := <-h.Prepared():
		return p
	case <-time.After(patience):
		h.t.Fatal("no class was prepared")
		return fleet.Preparation{}
	}
}

// settled waits until as many users are there as wanted.
func (h *harbour) settled() {
	h.t.Helper()
	h.until("every user is placed and there", func() bool { return h.Placed() && h.Full() })
}

// counts checks the users that are present.
func (h *harbour) counts(want map[string]int) {
	h.t.Helper()
	got, sum := h.Counts()
	wantSum := 0
	for name, n := range want {
		wantSum += n
		if got[name] != n {
			h.t.Errorf("%d users of %s, want %d", got[name], name, n)
		}
	}
	if sum != wantSum {
		h.t.Errorf("%d users, want %d (%v)", sum, wantSum, got)
	}
}
