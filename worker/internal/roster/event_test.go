package roster_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// crowd is an event class whose users do what the test says. Everything in it
// belongs to the loop.
type crowd struct {
	scope  user.Scope
	users  []*member
	stops  []int // the numbers of those that were asked to leave, in order
	kills  []int
	busy   bool // users have work in flight when they are asked to leave
	absent bool // users do not join
	// lingering users have nothing in flight and wait for their peers.
	lingering bool
	panicIn   string
	panics    int // how many more
}

type member struct {
	*crowd
	number  int
	started time.Duration
	joined  bool
}

func (c *crowd) Options(*user.OptionSet)                  {}
func (c *crowd) Prepare(context.Context, user.Test) error { return nil }
func (c *crowd) Bind(scope user.Scope) user.EventSource {
	c.scope = scope
	c.fail("Bind")
	return c
}

func (c *crowd) NewUser() user.EventUser {
	c.fail("NewUser")
	m := &member{crowd: c, number: len(c.users)}
	c.users = append(c.users, m)
	return m
}

func (c *crowd) fail(where string) {
	if c.panicIn == where && c.panics > 0 {
		c.panics--
		panic("told to, in " + where)
	}
}

func (m *member) Start() {
	m.started = m.scope.Loop.Now()
	m.fail("Start")
	if !m.absent {
		m.joined = true
		m.scope.Joined()
	}
}

func (m *member) Stop() bool {
	m.stops = append(m.stops, m.number)
	m.fail("Stop")
	if m.busy {
		return false
	}
	m.leave()
	return true
}

func (m *member) Kill() {
	m.kills = append(m.kills, m.number)
	m.fail("Kill")
	m.leave()
}

// Lingering implements user.Lingerer.
func (m *member) Lingering() bool { return m.lingering }

func (m *member) leave() {
	if m.joined {
		m.joined = false
		m.scope.Left()
	}
}

// end ends a user whose Stop returned false.
func (m *member) end() {
	m.leave()
	m.scope.Ended(m)
}

// A user starts no sooner than its share of the window: a burst would show
// as users that are early. How late a busy machine is, is not checked.
func TestStartsAreSpreadOverTheWindow(t *testing.T) {
	s, c := newStage(t), &crowd{}
	group := s.open("A", c)
	const n, window = 20, 200 * time.Millisecond
	var begin time.Duration
	s.on(func() {
		begin = s.loop.Now()
		s.Change("A", n, window, time.Second)
	})
	s.untilSignalled("all are present", func() bool { return group.Present() == n && group.Pending() == 0 })
	for i, m := range c.users {
		if early := begin + window*time.Duration(i)/n - m.started; early > 0 {
			t.Errorf("user %d started %v before its time", i, early)
		}
	}
	counts(t, group, n, 0, n, 0)
}

func TestNewestIsStoppedFirst(t *testing.T) {
	s, c := newStage(t), &crowd{}
	group := s.open("A", c)
	s.change("A", 5, 0)
	s.change("A", -3, 0)
	counts(t, group, 2, 0, 2, 0)
	s.change("A", 1, 0)
	s.change("A", -2, 0)
	if want := []int{4, 3, 2, 5, 1}; !slices.Equal(c.stops, want) {
		t.Errorf("stopped %v, want %v", c.stops, want)
	}
	counts(t, group, 1, 0, 1, 0)
}

// Orders add up whatever is still to come of those before.
func TestChangesAddUp(t *testing.T) {
	cases := []struct {
		name            string
		changes         []int
		placed, pending int // at once; the window is an hour
	}{
		{name: "the first at once", changes: []int{10}, placed: 1, pending: 9},
		{name: "more", changes: []int{10, 10}, placed: 2, pending: 18},
		{name: "fewer starts to come", changes: []int{10, -5}, placed: 2, pending: 3},
		{name: "no start to come", changes: []int{10, -9}, placed: 1, pending: 0},
		{name: "all taken back", changes: []int{10, -10}, placed: 0, pending: 0},
		{name: "below", changes: []int{10, -9, 0}, placed: 1, pending: 0},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t)
			group := s.open("A", &crowd{})
			for _, n := range test.changes {
				s.change("A", n, time.Hour)
			}
			counts(t, group, test.placed, test.pending, test.placed, 0)
		})
	}
}

func TestStopsAreSpreadOverTheWindow(t *testing.T) {
	s := newStage(t)
	group := s.open("A", &crowd{})
	s.change("A", 10, 0)
	s.change("A", -10, time.Hour)
	counts(t, group, 9, -9, 9, 0)
	s.change("A", 5, 0) // those that are still there need not be replaced
	s.untilSignalled("four more are gone", func() bool { return group.Placed() == 5 && group.Pending() == 0 })
}

func TestChangeOfAnUnknownClass(t *testing.T) {
	s := newStage(t)
	s.change("nobody", 5, 0)
	if !s.Empty() {
		t.Error("users of a class that was never opened")
	}
}

// Clear ends every user, those that had not started included.
func TestClear(t *testing.T) {
	s, a, b := newStage(t), &crowd{}, &crowd{absent: true}
	groupA, groupB := s.open("A", a), s.open("B", b)
	s.change("A", 1000, 0)
	s.untilSignalled("all of A are there", func() bool { return groupA.Placed() == 1000 })
	s.change("B", 100, time.Hour)
	counts(t, groupB, 1, 99, 0, 0)
	s.clear(time.Hour)
	s.untilSignalled("nobody is left", s.Empty)
	counts(t, groupA, 0, 0, 0, 0)
	counts(t, groupB, 0, 0, 0, 0)
	if len(a.stops) != 1000 || len(b.stops) != 1 || len(a.kills)+len(b.kills) != 0 {
		t.Errorf("%d and %d stopped, %d killed", len(a.stops), len(b.stops), len(a.kills)+len(b.kills))
	}
}

// Whoever has work in flight has the grace to finish it.
func TestClearWaitsForWorkInFlight(t *testing.T) {
	s, c := newStage(t), &crowd{busy: true}
	group := s.open("A", c)
	s.change("A", 3, 0)
	s.clear(time.Hour)
	counts(t, group, 0, 0, 3, 3)
	s.on(func() {
		c.users[0].end()
		c.users[0].end() // says it twice
		c.users[2].end()
	})
	counts(t, group, 0, 0, 1, 1)
	s.on(func() { c.users[1].end() })
	s.untilSignalled("nobody is left", s.Empty)
	counts(t, group, 0, 0, 0, 0)
	if len(c.kills) != 0 {
		t.Errorf("killed %v within their grace", c.kills)
	}
}

func TestClearKillsAfterTheGrace(t *testing.T) {
	s, c := newStage(t), &crowd{busy: true}
	group := s.open("A", c)
	s.change("A", 3, 0)
	s.clear(time.Millisecond)
	s.untilSignalled("nobody is left", s.Empty)
	slices.Sort(c.kills)
	if want := []int{0, 1, 2}; !slices.Equal(c.kills, want) {
		t.Errorf("killed %v, want %v", c.kills, want)
	}
	counts(t, group, 0, 0, 0, 0)
}

// The grace can be over before the last user was asked to leave.
func TestClearKillsThoseThatAreAskedLate(t *testing.T) {
	s, c := newStage(t), &crowd{busy: true}
	group := s.open("A", c)
	const n = 3000
	s.change("A", n, 0)
	s.untilSignalled("all are there", func() bool { return group.Placed() == n })
	s.clear(0)
	s.untilSignalled("nobody is left", s.Empty)
	if len(c.kills) != n {
		t.Errorf("%d killed, want %d", len(c.kills), n)
	}
}

// What is left of a grace must not shorten the next test's.
func TestGraceEndsWithItsTest(t *testing.T) {
	s, c := newStage(t), &crowd{busy: true}
	group := s.open("A", c)
	s.change("A", 1, 0)
	passed := make(chan struct{})
	s.on(func() {
		s.Clear(20*time.Millisecond, true)
		s.loop.Schedule(&engine.Timer{}, 40*time.Millisecond, alarm(passed))
		c.users[0].end()
		s.Change("A", 1, 0, time.Second)
		s.Change("A", -1, 0, time.Second)
	})
	<-passed
	counts(t, group, 0, 0, 1, 1)
	if len(c.kills) != 0 {
		t.Error("killed by the grace of the test before")
	}
	s.on(func() { c.users[1].end() })
}

type alarm chan struct{}

func (a alarm) OnTimer(*engine.Timer) { close(a) }

// A panic is shown, the user is made up for, and the others are not affected.
func TestPanics(t *testing.T) {
	t.Run("Bind", func(t *testing.T) {
		s := newStage(t)
		var err error
		s.on(func() { _, err = s.Open("A", &crowd{panicIn: "Bind", panics: 1}) })
		if err == nil {
			t.Error("no error")
		}
		s.change("A", 1, 0)
	})
	for _, where := range []string{"NewUser", "Start"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel() // each takes the pause before a restart
			s, c := newStage(t), &crowd{panicIn: where, panics: 2}
			group := s.open("A", c)
			s.change("A", 10, 0)
			counts(t, group, 8, 2, 8, 0)
			if got := s.exceptions(); len(got) != 2 {
				t.Errorf("exceptions %q, want two", got)
			}
			s.untilSignalled("all are there", func() bool { return group.Present() == 10 && group.Pending() == 0 })
			counts(t, group, 10, 0, 10, 0)
		})
	}
	t.Run("Stop", func(t *testing.T) {
		s, c := newStage(t), &crowd{panicIn: "Stop", panics: 1}
		group := s.open("A", c)
		s.change("A", 10, 0)
		s.change("A", -5, 0)
		if group.Placed() != 5 || len(c.stops) != 5 {
			t.Errorf("%d left, %d asked to leave, want 5 and 5", group.Placed(), len(c.stops))
		}
		s.oneException("A: panic: told to, in Stop")
		c.panics = 1
		s.clear(time.Hour)
		s.untilSignalled("nobody is left", s.Empty)
		s.oneException("A: panic: told to, in Stop")
	})
	t.Run("Kill", func(t *testing.T) {
		s, c := newStage(t), &crowd{panicIn: "Kill", panics: 1, busy: true}
		s.open("A", c)
		s.change("A", 10, 0)
		s.clear(0)
		s.untilSignalled("nobody is left", s.Empty)
		s.oneException("A: panic: told to, in Kill")
		if len(c.kills) != 10 {
			t.Errorf("%d killed, want 10", len(c.kills))
		}
	})
}

// Users come and go as their connections do.
func TestPresence(t *testing.T) {
	s, c := newStage(t), &crowd{absent: true}
	group := s.open("A", c)
	s.change("A", 2, 0)
	counts(t, group, 2, 0, 0, 0)
	s.on(c.scope.Joined)
	s.on(c.scope.Joined)
	s.on(c.scope.Left)
	counts(t, group, 2, 0, 1, 0)
}

func TestJoiningIsSignalled(t *testing.T) {
	s, c := newStage(t), &crowd{absent: true}
	group := s.open("A", c)
	s.change("A", 1, 0)
	<-s.changed
	s.on(c.scope.Joined)
	s.untilSignalled("it is present", func() bool { return group.Present() == 1 })
}

// neither is a definition of no kind.
type neither struct{}

func (neither) Options(*user.OptionSet)                  {}
func (neither) Prepare(context.Context, user.Test) error { return nil }

func TestOpen(t *testing.T) {
	s := newStage(t)
	c := &crowd{}
	s.open("A", c)
	if c.scope.Loop != s.loop || c.scope.Recorder == nil || c.scope.Presence == nil || c.scope.Logger == nil || c.scope.Advise == nil {
		t.Errorf("the scope lacks something: %+v", c.scope)
	}
	var err error
	s.on(func() { _, err = s.Open("B", neither{}) })
	if err == nil {
		t.Error("opened a class that is neither of event nor of blocking users")
	}
	s.change("A", 2, 0)
	s.on(func() { _, err = s.Open("A", &crowd{}) })
	if err == nil {
		t.Error("replaced a class that still has users")
	}
	s.change("A", -2, 0)
	again := &crowd{}
	s.open("A", again)
	s.change("A", 3, 0)
	if len(again.users) != 3 || len(c.users) != 2 {
		t.Errorf("%d users of the new definition, %d of the old, want 3 and 2", len(again.users), len(c.users))
	}
}

// Users with work in flight when the master takes users away end by the stop
// timeout, too.
func TestChangeKillsThoseThatOutstayTheGrace(t *testing.T) {
	s, c := newStage(t), &crowd{busy: true}
	group := s.open("A", c)
	s.change("A", 3, 0)
	s.on(func() { s.Change("A", -2, 0, 10*time.Millisecond) })
	s.untilSignalled("two are gone", func() bool { return group.Late() == 0 })
	counts(t, group, 1, 0, 1, 0)
	if want := []int{1, 2}; !slices.Equal(slices.Sorted(slices.Values(c.kills)), want) {
		t.Errorf("killed %v, want %v", c.kills, want)
	}
	s.clear(0)
	s.untilSignalled("nobody is left", s.Empty)
}

// Each step of a ramp-down gives its leavers their own grace; later steps do
// not put off the end of earlier ones.
func TestEachLeaverHasItsOwnGrace(t *testing.T) {
	s, c := newStage(t), &crowd{busy: true}
	group := s.open("A", c)
	s.change("A", 3, 0)
	s.on(func() {
		s.Change("A", -1, 0, 10*time.Millisecond)
		s.Change("A", -1, 0, time.Hour)
	})
	s.untilSignalled("the first is gone", func() bool { return group.Late() == 1 })
	if want := []int{2}; !slices.Equal(c.kills, want) {
		t.Errorf("killed %v, want %v", c.kills, want)
	}
	if cut := group.Cut(); cut != 1 {
		t.Errorf("%d ended with something in flight, want 1", cut)
	}
	s.on(func() { s.Clear(0, false) }) // a quit does not wait
	s.untilSignalled("nobody is left", s.Empty)
	if cut := group.Cut(); cut != 3 {
		t.Errorf("%d ended with something in flight, want 3", cut)
	}
}

// Who only waits for its peer may do so on, but not after a quit.
func TestLingerers(t *testing.T) {
	s, c := newStage(t), &crowd{busy: true, lingering: true}
	group := s.open("A", c)
	s.change("A", 2, 0)
	passed := make(chan struct{})
	s.on(func() {
		s.Clear(0, true)
		s.loop.Schedule(&engine.Timer{}, 20*time.Millisecond, alarm(passed))
	})
	<-passed
	counts(t, group, 0, 0, 2, 2)
	s.on(func() { s.Clear(0, false) })
	s.untilSignalled("nobody is left", s.Empty)
	if len(c.kills) != 2 {
		t.Errorf("killed %v, want both", c.kills)
	}
}
