// Package stage is where the tests of user classes on event loops play: one
// loop with the users of one class, the books of what they record, and peers
// that do what the test says. A Stage belongs to the test's goroutine; what it
// gives to users is called on the loop's.
package stage

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// Patience bounds every wait. Only a test that fails uses it up.
const Patience = 30 * time.Second

// Options are options of a class by the names of their flags.
type Options map[string]string

// Define makes a definition, sets its options and prepares it; the error is
// that of a bad option or of Prepare.
func Define(t testing.TB, class user.Class, host string, options Options) (user.Definition, error) {
	t.Helper()
	definition := class.New()
	var set user.OptionSet
	definition.Options(&set)
	for name, value := range options {
		option := set.Lookup(name)
		if option == nil {
			t.Fatalf("there is no option %s", name)
		}
		if err := option.Set(value); err != nil {
			return nil, err
		}
	}
	if err := definition.Prepare(t.Context(), user.Test{Host: host, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return nil, err
	}
	if chooser, ok := definition.(user.Chooser); ok {
		definition = chooser.Choose()
	}
	return definition, nil
}

// Prepare is Define for classes with event users.
func Prepare(t testing.TB, class user.Class, host string, options Options) (user.EventDefinition, error) {
	t.Helper()
	definition, err := Define(t, class, host, options)
	if err != nil {
		return nil, err
	}
	events, ok := definition.(user.EventDefinition)
	if !ok {
		t.Fatalf("%s has no event users", class.Name)
	}
	return events, nil
}

// Stage is a loop with users of one class.
type Stage struct {
	*Books
	Loop   *engine.Loop
	t      testing.TB
	source user.EventSource
	// Loop goroutine only. working are the users that have not left, leaving
	// those of them whose Stop returned false.
	working []user.EventUser
	leaving map[user.EventUser]bool
	present int
	cut     int
}

var _ user.Presence = (*Stage)(nil)

// New runs a loop with the class bound to it until the test ends. Then every
// user that is left is ended, and nothing of them may remain.
func New(t testing.TB, class user.Class, host string, options Options) *Stage {
	t.Helper()
	definition, err := Prepare(t, class, host, options)
	if err != nil {
		t.Fatal(err)
	}
	clock := engine.NewClock()
	e, err := engine.New(engine.Config{Loops: 1, Clock: clock, OnPanic: func(value any, stack []byte) {
		t.Errorf("panic in a callback: %v\n%s", value, stack)
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	s := &Stage{
		Books: NewBooks(), Loop: e.Loops()[0], t: t, leaving: map[user.EventUser]bool{},
	}
	s.Do(func() {
		s.source = definition.Bind(user.Scope{
			Presence: s, Recorder: s.Books, Loop: s.Loop, Clock: clock,
			Logger: slog.New(slog.DiscardHandler), Advise: s.Advise,
		})
	})
	t.Cleanup(func() {
		s.clear()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// clear ends all users, and checks that nothing of them is left.
func (s *Stage) clear() {
	s.Do(func() {
		for _, u := range s.working {
			if s.leaving[u] || !u.Stop() {
				u.Kill()
			}
		}
		s.working = nil
		if counts := s.Loop.Counts(); s.present != 0 || counts.Open != 0 || counts.Connecting != 0 {
			s.t.Errorf("all users have left, but %d are present and the loop has %+v", s.present, counts)
		}
	})
}

// Joined implements user.Presence.
func (s *Stage) Joined() {
	s.present++
	s.balance()
}

// Left implements user.Presence.
func (s *Stage) Left() {
	s.present--
	s.balance()
}

// balance fails the test when a user counts twice, or after it has left.
func (s *Stage) balance() {
	if s.present < 0 || s.present > len(s.working) {
		s.t.Errorf("%d of %d users are present", s.present, len(s.working))
	}
}

// Ended implements user.Presence.
func (s *Stage) Ended(u user.EventUser) {
	if !s.leaving[u] {
		s.t.Error("a user said that it ended and was not leaving")
	}
	s.gone(u)
}

// CutOff implements user.Presence.
func (s *Stage) CutOff() { s.cut++ }

// Cut is how many users ended with something in flight. Loop goroutine only.
func (s *Stage) Cut() int { return s.cut }

func (s *Stage) gone(u user.EventUser) {
	delete(s.leaving, u)
	s.working = slices.DeleteFunc(s.working, func(other user.EventUser) bool { return other == u })
	s.balance()
}

// Do runs f on the loop and waits for its end.
func (s *Stage) Do(f func()) {
	s.t.Helper()
	done := make(chan struct{})
	if !s.Loop.Post(func() { defer close(done); f() }) {
		s.t.Fatal("the loop has ended")
	}
	select {
	case <-done:
	case <-time.After(Patience):
		s.t.Fatal("the loop is stuck")
	}
}

// NewUser makes a user that the stage does not look after. Loop goroutine
// only.
func (s *Stage) NewUser() user.EventUser { return s.source.NewUser() }

// Enter starts a user.
func (s *Stage) Enter() (entered user.EventUser) {
	s.t.Helper()
	s.Do(func() {
		entered = s.NewUser()
		s.working = append(s.working, entered)
		entered.Start()
	})
	return entered
}

// Stop asks a user to leave and says whether it did so at once.
func (s *Stage) Stop(u user.EventUser) (left bool) {
	s.t.Helper()
	s.Do(func() { left = s.StopNow(u) })
	return left
}

// StopNow is Stop for the loop's goroutine.
func (s *Stage) StopNow(u user.EventUser) (left bool) {
	if left = u.Stop(); left {
		s.gone(u)
	} else {
		s.leaving[u] = true
	}
	return left
}

// Kill ends a user whose Stop returned false.
func (s *Stage) Kill(u user.EventUser) {
	s.t.Helper()
	s.Do(func() {
		u.Kill()
		s.gone(u)
	})
}

// Feed gives a user bytes as if they had come over its connection, in one
// piece.
func (s *Stage) Feed(u user.EventUser, data string) {
	s.t.Helper()
	s.Do(func() { u.(engine.Handler).OnData(nil, []byte(data)) })
}

// Present is the number of users that are present.
func (s *Stage) Present() (present int) {
	s.t.Helper()
	s.Do(func() { present = s.present })
	return present
}

// Working is the number of users that have not left.
func (s *Stage) Working() (working int) {
	s.t.Helper()
	s.Do(func() { working = len(s.working) })
	return working
}

// AwaitPresent waits until so many users are present.
func (s *Stage) AwaitPresent(count int) {
	s.t.Helper()
	Await(s.t, fmt.Sprintf("%d present users", count), func() bool { return s.Present() == count })
}

// AwaitGone waits until every user has left.
func (s *Stage) AwaitGone() {
	s.t.Helper()
	Await(s.t, "all users to leave", func() bool { return s.Working() == 0 })
}

// AwaitSamples waits for at least so many samples of the row and returns all
// that it has.
func (s *Stage) AwaitSamples(row string, count int) (samples []Sample) {
	s.t.Helper()
	Await(s.t, fmt.Sprintf("%d samples of %s", count, row), func() bool {
		samples = s.Samples(row)
		return len(samples) >= count
	})
	return samples
}

// Settle returns when every timer that was due by now has been called.
func (s *Stage) Settle() {
	s.t.Helper()
	done := make(chan struct{})
	var timer engine.Timer
	s.Do(func() { s.Loop.Schedule(&timer, 5*time.Millisecond, expiry(func() { close(done) })) })
	select {
	case <-done:
	case <-time.After(Patience):
		s.t.Fatal("the loop's timers are stuck")
	}
}

type expiry func()

func (f expiry) OnTimer(*engine.Timer) { f() }

// Run runs a server until the test ends or stop is called, which waits for the
// end of Run and returns the last stats.
func Run[S any](t testing.TB, run func(context.Context) error, stats func() S) (stop func() S) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	end := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run of the server: %v", err)
		}
	})
	t.Cleanup(end)
	return func() S {
		end()
		return stats()
	}
}

// Await polls until the condition holds.
func Await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", Patience, what)
		}
	}
}
