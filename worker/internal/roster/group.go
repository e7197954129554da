package roster

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"sync/atomic"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// batch is how many users are started or stopped in one turn of the loop, so
// that a million of them do not hold up everything else. What the loop does in
// between would show as latency of the target's.
const batch = 256

// never is the due moment of a user that is not to be killed (any more).
const never = time.Duration(math.MaxInt64)

// restartPause is the time between a user's panic and its next start.
const restartPause = time.Second

// crew is the part of a group that differs between event and blocking users.
type crew interface {
	start()
	// stopNewest asks the newest user to leave before it is due.
	stopNewest(due time.Duration)
	// hasten brings forward when those that were asked are killed.
	hasten(due time.Duration)
	// reap kills those that are due and returns when the next one is. The
	// patient leave those that only wait for their peers.
	reap(now time.Duration, patient bool) (next time.Duration)
	// working are the users that were not asked to leave, leaving those that
	// were and are still there.
	working() int
	leaving() int
	wait(context.Context) error
}

// Group is the users of one class on one loop.
type Group struct {
	class  string
	roster *Roster
	scope  user.Scope
	crew   crew
	pace   pace
	timer  engine.Timer
	// clearing: every user is to go, a batch a turn.
	clearing bool
	// grace is what users with work in flight have when they are stopped; see
	// crew.reap for patient.
	grace   time.Duration
	patient bool
	reaper  engine.Timer

	present atomic.Int64
	placed  atomic.Int64
	pending atomic.Int64
	late    atomic.Int64
	cut     atomic.Int64
}

var _ user.Presence = (*Group)(nil)

// Joined implements user.Presence. Blocking users call it on goroutines of
// their own, and Changed is for the loop's.
func (g *Group) Joined() {
	g.present.Add(1)
	switch {
	case g.pending.Load() != 0:
	case g.scope.Loop == nil:
		g.roster.config.Loop.Post(g.roster.config.Changed)
	default:
		g.roster.config.Changed()
	}
}

// Left implements user.Presence.
func (g *Group) Left() { g.present.Add(-1) }

// Ended implements user.Presence.
func (g *Group) Ended(ended user.EventUser) {
	if crew, ok := g.crew.(*eventCrew); ok {
		crew.ended(ended)
	}
}

// CutOff implements user.Presence.
func (g *Group) CutOff() { g.cut.Add(1) }

// Cut is the number of users that ended with something in flight. Any
// goroutine.
func (g *Group) Cut() int { return int(g.cut.Load()) }

// Present is the number of users that have joined and not left. Any
// goroutine.
func (g *Group) Present() int { return int(g.present.Load()) }

// Placed is the number of users that were started and not stopped, Pending
// that of starts (or, below zero, stops) still to come in the window. Any
// goroutine.
func (g *Group) Placed() int { return int(g.placed.Load()) }

// Pending is the number of starts still to come; see Placed.
func (g *Group) Pending() int { return int(g.pending.Load()) }

// Late is the number of users that were asked to leave and have not. Any
// goroutine.
func (g *Group) Late() int { return int(g.late.Load()) }

func (g *Group) empty() bool {
	return g.crew.working() == 0 && g.crew.leaving() == 0 && g.pace.remaining == 0
}

func (g *Group) change(n int, window, grace time.Duration) {
	g.clearing, g.grace, g.patient = false, grace, true
	g.pace.plan(g.roster.config.Loop.Now(), g.pace.remaining+n, window)
	g.step()
}

func (g *Group) clear(grace time.Duration, patient bool) {
	g.clearing, g.grace, g.patient = true, grace, patient
	g.pace = pace{}
	g.crew.hasten(later(g.roster.config.Loop.Now(), grace))
	g.step()
	g.reap()
}

// OnTimer implements engine.Expirer: the next step of the pace.
func (g *Group) OnTimer(*engine.Timer) { g.step() }

// step does what is due, a batch of it, and sets the timer for the rest.
func (g *Group) step() {
	loop := g.roster.config.Loop
	switch due := g.pace.due(loop.Now(), batch); {
	case g.clearing:
		g.stop(min(batch, g.crew.working()))
		if g.crew.working() > 0 {
			loop.Schedule(&g.timer, 0, g)
		} else {
			g.clearing = false
			loop.Cancel(&g.timer)
		}
	case due > 0:
		for range due {
			g.start()
		}
	case due < 0:
		g.stop(min(-due, g.crew.working()))
	}
	g.count()
	if g.pace.remaining != 0 {
		loop.Schedule(&g.timer, g.pace.wait(loop.Now()), g)
		return
	}
	g.roster.config.Changed()
}

// stop asks the newest users to leave.
func (g *Group) stop(n int) {
	due := later(g.roster.config.Loop.Now(), g.grace)
	for range n {
		g.guarded(func() { g.crew.stopNewest(due) })
	}
	if g.crew.leaving() > 0 && !g.reaper.Armed() {
		g.roster.config.Loop.Schedule(&g.reaper, g.grace, reaper{g})
	}
}

// later is a moment after another, without overflow.
func later(now, after time.Duration) time.Duration {
	if after > never-now {
		return never
	}
	return now + after
}

// reaper is a group as the Expirer of the timer for those that outstay their
// grace.
type reaper struct{ *Group }

// OnTimer implements engine.Expirer.
func (r reaper) OnTimer(*engine.Timer) { r.reap() }

// reap kills those whose grace is over and sets the timer for the next one.
func (g *Group) reap() {
	loop := g.roster.config.Loop
	now := loop.Now()
	next := g.crew.reap(now, g.patient)
	g.count()
	if next == never {
		loop.Cancel(&g.reaper)
	} else {
		loop.Schedule(&g.reaper, next-now, reaper{g})
	}
	g.roster.config.Changed()
}

// start starts one user. A panic in its code is shown by the master, and the
// start is made up for after a pause.
func (g *Group) start() {
	defer func() {
		if cause := recover(); cause != nil {
			g.exception(cause, debug.Stack())
			g.pace.again(g.roster.config.Loop.Now(), restartPause)
		}
	}()
	g.crew.start()
}

// guarded calls a user's code; a panic in it must not keep the others from
// being stopped. The user counts as gone.
func (g *Group) guarded(call func()) {
	defer func() {
		if cause := recover(); cause != nil {
			g.exception(cause, debug.Stack())
		}
	}()
	call()
}

func (g *Group) exception(cause any, stack []byte) {
	g.scope.Exception(fmt.Sprintf("%s: panic: %v", g.class, cause), string(stack))
}

// count publishes the numbers for other goroutines.
func (g *Group) count() {
	g.placed.Store(int64(g.crew.working()))
	g.pending.Store(int64(g.pace.remaining))
	g.late.Store(int64(g.crew.leaving()))
}
