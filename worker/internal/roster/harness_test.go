package roster_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"upsurge/worker/engine"
	"upsurge/worker/internal/roster"
	"upsurge/worker/internal/stats"
	"upsurge/worker/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests. Nothing is expected to need it.
const patience = 30 * time.Second

// stage is a roster on a loop that runs until the test ends.
type stage struct {
	*roster.Roster
	t       *testing.T
	loop    *engine.Loop
	changed chan struct{}
	mu      sync.Mutex
	shown   []string // exceptions
}

func newStage(t *testing.T) *stage {
	t.Helper()
	clock := engine.NewClock()
	e, err := engine.New(engine.Config{Loops: 1, Clock: clock, OnPanic: func(cause any, stack []byte) {
		t.Errorf("a panic reached the engine: %v\n%s", cause, stack)
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, loop: e.Loops()[0], changed: make(chan struct{}, 1)}
	s.Roster = roster.New(roster.Config{
		Loop: s.loop, Clock: clock, Event: stats.NewShard(s.exception), Blocking: stats.NewLockedShard(s.exception),
		Logger: slog.New(slog.DiscardHandler), Advise: func(engine.Failure) {},
		Changed: func() {
			_ = s.Empty() // for the loop's goroutine only: the race detector watches
			select {
			case s.changed <- struct{}{}:
			default:
			}
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		s.on(func() { s.Clear(0, true) })
		s.until("the users are gone", s.Empty)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		waiting, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		if err := s.Wait(waiting); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *stage) exception(message, traceback string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if traceback == "" {
		s.t.Errorf("exception %q has no traceback to be grouped by", message)
	}
	s.shown = append(s.shown, message)
}

// exceptions takes those that were shown so far.
func (s *stage) exceptions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.shown = nil }()
	return s.shown
}

func (s *stage) oneException(text string) {
	s.t.Helper()
	if got := s.exceptions(); len(got) != 1 || !strings.Contains(got[0], text) {
		s.t.Errorf("exceptions %q, want one with %q", got, text)
	}
}

// on runs f on the loop and waits for it.
func (s *stage) on(f func()) {
	s.t.Helper()
	done := make(chan struct{})
	if !s.loop.Post(func() { defer close(done); f() }) {
		s.t.Fatal("the loop has ended")
	}
	select {
	case <-done:
	case <-time.After(patience):
		s.t.Fatal("the loop stands still")
	}
}

// until waits until it holds, on the loop.
func (s *stage) until(what string, holds func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		var yes bool
		s.on(func() { yes = holds() })
		if yes {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("waited %v until %s", patience, what)
		}
	}
}

// untilSignalled is until, but looks only when Changed was called.
func (s *stage) untilSignalled(what string, holds func() bool) {
	s.t.Helper()
	for {
		var yes bool
		s.on(func() { yes = holds() })
		if yes {
			return
		}
		select {
		case <-s.changed:
		case <-time.After(patience):
			s.t.Fatalf("no signal after which %s", what)
		}
	}
}

func (s *stage) open(class string, definition user.Definition) *roster.Group {
	s.t.Helper()
	var group *roster.Group
	var err error
	s.on(func() { group, err = s.Open(class, definition) })
	if err != nil {
		s.t.Fatal(err)
	}
	return group
}

func (s *stage) change(class string, n int, window time.Duration) {
	s.t.Helper()
	s.on(func() { s.Change(class, n, window, time.Second) })
}

func (s *stage) clear(grace time.Duration) {
	s.t.Helper()
	s.on(func() { s.Clear(grace, true) })
}

// counts checks what a group publishes.
func counts(t *testing.T, group *roster.Group, placed, pending, present, late int) {
	t.Helper()
	got := []int{group.Placed(), group.Pending(), group.Present(), group.Late()}
	if want := []int{placed, pending, present, late}; !slices.Equal(got, want) {
		t.Errorf("placed, pending, present, late: %v, want %v", got, want)
	}
}
