package roster

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// clearBatch is how many users are stopped in one turn of the loop, so that
// closing a million connections does not hold up everything else.
const clearBatch = 256

// restartPause is the time between a user's panic and its next start.
const restartPause = time.Second

// crew is the part of a group that differs between event and blocking users.
type crew interface {
	start()
	// stopNewest asks the newest user to leave.
	stopNewest()
	// kill ends those that were asked and have not left.
	kill()
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

	present atomic.Int64
	placed  atomic.Int64
	pending atomic.Int64
	late    atomic.Int64
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

func (g *Group) change(n int, window time.Duration) {
	g.clearing = false
	g.pace.plan(g.roster.config.Loop.Now(), g.pace.remaining+n, window)
	g.step()
}

func (g *Group) clear() {
	g.clearing = true
	g.pace = pace{}
	g.step()
}

// OnTimer implements engine.Expirer: the next step of the pace.
func (g *Group) OnTimer(*engine.Timer) { g.step() }

// step does what is due and sets the timer for what is not.
func (g *Group) step() {
	loop := g.roster.config.Loop
	switch due := g.pace.due(loop.Now()); {
	case g.clearing:
		for range min(clearBatch, g.crew.working()) {
			g.guarded(g.crew.stopNewest)
		}
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
		for range min(-due, g.crew.working()) {
			g.guarded(g.crew.stopNewest)
		}
	}
	g.count()
	if g.pace.remaining != 0 {
		loop.Schedule(&g.timer, g.pace.wait(loop.Now()), g)
		return
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

func (g *Group) kill() {
	g.crew.kill()
	g.count()
}

// count publishes the numbers for other goroutines.
func (g *Group) count() {
	g.placed.Store(int64(g.crew.working()))
	g.pending.Store(int64(g.pace.remaining))
	g.late.Store(int64(g.crew.leaving()))
}
