package roster_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"upsurge/worker/user"
)

// team is a blocking class whose users do what the test says.
type team struct {
	scope  user.Scope
	once   sync.Once
	wait   time.Duration
	start  func(ctx context.Context, attempt int64) error
	round  func(ctx context.Context, round int64) error
	closed func() error

	made, closes, starts, rounds atomic.Int64
}

type player struct{ *team }

func (c *team) Options(*user.OptionSet)                  {}
func (c *team) Prepare(context.Context, user.Test) error { return nil }
func (c *team) NewUser(scope user.Scope) user.BlockingUser {
	c.made.Add(1)
	c.once.Do(func() { c.scope = scope })
	return &player{c}
}

func (p *player) Start(ctx context.Context) error {
	attempt := p.starts.Add(1)
	if p.start != nil {
		return p.start(ctx, attempt)
	}
	return nil
}

func (p *player) Iterate(ctx context.Context) (time.Duration, error) {
	round := p.rounds.Add(1)
	if p.round != nil {
		return p.wait, p.round(ctx, round)
	}
	return p.wait, nil
}

func (p *player) Close() error {
	p.closes.Add(1)
	if p.closed != nil {
		return p.closed()
	}
	return nil
}

// everyUserIsClosed waits for the goroutines and compares.
func (s *stage) everyUserIsClosed(c *team) {
	s.t.Helper()
	s.clear(0)
	s.untilSignalled("nobody is left", s.Empty)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Wait(ctx); err != nil {
		s.t.Fatal(err)
	}
	if made, closes := c.made.Load(), c.closes.Load(); made != closes {
		s.t.Errorf("%d users made, %d closed", made, closes)
	}
}

// A wait is cut short when its user has to leave; a user leaves between two
// rounds.
func TestBlockingUsersComeAndGo(t *testing.T) {
	s, c := newStage(t), &team{wait: time.Hour}
	group := s.open("A", c)
	s.change("A", 20, 10*time.Millisecond)
	s.untilSignalled("all are present", func() bool { return group.Present() == 20 && group.Pending() == 0 })
	counts(t, group, 20, 0, 20, 0)
	s.change("A", -15, 0)
	s.untilSignalled("fifteen have left", func() bool { return group.Late() == 0 })
	counts(t, group, 5, 0, 5, 0)
	s.clear(time.Hour)
	s.untilSignalled("nobody is left", s.Empty)
	counts(t, group, 0, 0, 0, 0)
	s.everyUserIsClosed(c)
	if made, rounds := c.made.Load(), c.rounds.Load(); made != 20 || rounds > 20 {
		t.Errorf("%d users made and %d rounds, want 20 and a round each at most", made, rounds)
	}
	if got := s.exceptions(); len(got) != 0 {
		t.Errorf("exceptions %q", got)
	}
	if c.scope.Loop != nil || c.scope.Recorder == nil {
		t.Errorf("the scope of a blocking user: %+v", c.scope)
	}
}

func TestBlockingRoundsFollowEachOther(t *testing.T) {
	s, c := newStage(t), &team{wait: time.Millisecond}
	s.open("A", c)
	s.change("A", 1, 0)
	s.until("it went round", func() bool { return c.rounds.Load() >= 5 })
	s.everyUserIsClosed(c)
}

// A round in flight is finished within the grace.
func TestBlockingUserFinishesItsRound(t *testing.T) {
	s := newStage(t)
	var cut atomic.Bool
	inside, finish := make(chan struct{}), make(chan struct{})
	c := &team{round: func(ctx context.Context, round int64) error {
		close(inside) // a second round would panic
		<-finish
		cut.Store(ctx.Err() != nil)
		return nil
	}}
	group := s.open("A", c)
	s.change("A", 1, 0)
	<-inside
	s.clear(time.Hour)
	counts(t, group, 0, 0, 1, 1)
	close(finish)
	s.untilSignalled("nobody is left", s.Empty)
	if cut.Load() {
		t.Error("cut off within its grace")
	}
	if got := s.exceptions(); len(got) != 0 {
		t.Errorf("exceptions %q", got)
	}
}

// Whoever outstays the grace finds its context ended, which is no exception.
func TestBlockingUserIsKilled(t *testing.T) {
	until := func(ctx context.Context, _ int64) error { <-ctx.Done(); return ctx.Err() }
	cases := []struct {
		name string
		team *team
	}{
		{name: "in a round", team: &team{round: until}},
		{name: "in its start", team: &team{start: until}},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t)
			group := s.open("A", test.team)
			s.change("A", 3, 0)
			s.until("all wait", func() bool { return test.team.starts.Load() == 3 })
			s.clear(time.Millisecond)
			s.untilSignalled("nobody is left", s.Empty)
			counts(t, group, 0, 0, 0, 0)
			s.everyUserIsClosed(test.team)
			if got := s.exceptions(); len(got) != 0 {
				t.Errorf("exceptions %q", got)
			}
		})
	}
}

// Errors and panics of a user's code are exceptions. A user that could not
// start, and one that panicked, is replaced after a pause; one whose round
// failed goes on.
func TestBlockingUserFails(t *testing.T) {
	broken := errors.New("broken")
	once := func(_ context.Context, n int64) error {
		if n == 1 {
			return broken
		}
		return nil
	}
	panics := func(_ context.Context, n int64) error {
		if n == 1 {
			panic("told to")
		}
		return nil
	}
	cases := []struct {
		name  string
		team  *team
		shown string
		made  int64
	}{
		{name: "start", team: &team{wait: time.Hour, start: once}, shown: "A: broken", made: 2},
		{name: "start panics", team: &team{wait: time.Hour, start: panics}, shown: "A: panic: told to", made: 2},
		{name: "round", team: &team{round: once}, shown: "A: broken", made: 1},
		{name: "round panics", team: &team{wait: time.Hour, round: panics}, shown: "A: panic: told to", made: 2},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // each takes the pause before a restart
			s := newStage(t)
			group := s.open("A", test.team)
			s.change("A", 1, 0)
			s.until("it goes round again", func() bool { return group.Present() == 1 && s.roundsAfterFailure(test.team) })
			s.oneException(test.shown)
			counts(t, group, 1, 0, 1, 0)
			s.everyUserIsClosed(test.team)
			if made := test.team.made.Load(); made != test.made {
				t.Errorf("%d users made, want %d", made, test.made)
			}
		})
	}
}

func (s *stage) roundsAfterFailure(c *team) bool { return c.starts.Load()+c.rounds.Load() >= 3 }

// The pause before a restart does not hold up the end.
func TestBlockingUserLeavesWhileItCannotStart(t *testing.T) {
	s := newStage(t)
	c := &team{start: func(context.Context, int64) error { return errors.New("never") }}
	group := s.open("A", c)
	s.change("A", 5, 0)
	s.until("all have failed", func() bool { return c.closes.Load() >= 5 })
	counts(t, group, 5, 0, 0, 0)
	s.everyUserIsClosed(c)
}

func TestBlockingUserFailsToClose(t *testing.T) {
	s := newStage(t)
	c := &team{wait: time.Hour, closed: func() error { return errors.New("stuck") }}
	s.open("A", c)
	s.change("A", 1, 0)
	s.until("it runs", func() bool { return c.rounds.Load() == 1 })
	s.everyUserIsClosed(c)
	s.oneException("A: stuck")

	s = newStage(t)
	c = &team{wait: time.Hour, closed: func() error { panic("stuck") }}
	s.open("A", c)
	s.change("A", 1, 0)
	s.until("it runs", func() bool { return c.rounds.Load() == 1 })
	s.everyUserIsClosed(c)
	s.oneException("A: panic: stuck")
}

func TestWaitGivesUp(t *testing.T) {
	s := newStage(t)
	inside, finish := make(chan struct{}), make(chan struct{})
	c := &team{wait: time.Hour, round: func(context.Context, int64) error {
		close(inside)
		<-finish // whatever its context says
		return nil
	}}
	s.open("A", c)
	s.change("A", 1, 0)
	<-inside
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	close(finish)
	s.everyUserIsClosed(c)
}
