// Package fleet is all the users of one process: it spreads them over the
// event loops, prepares their classes for a test and fetches their samples.
// One goroutine owns a Fleet and calls its methods; the loops are reached by
// what it posts to them, and answer through Changed and Parts.
package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/internal/roster"
	"upsurge/worker/internal/sched"
	"upsurge/worker/internal/stats"
	"upsurge/worker/user"
)

// Config is what a fleet needs of its owner.
type Config struct {
	Loops   int // event loops; 0: one for each core the process may use
	Classes []user.Class
	Logger  *slog.Logger
	Share   user.Share // of what the processes of one command have in common
	// Exception takes errors of user classes, those of their options and
	// names included. It is called from loops, users' goroutines and the
	// owner's, and must not block.
	Exception func(message, traceback string)
}

// Fleet is all the users of one process. Make one with New, start it with Run.
type Fleet struct {
	config  Config
	engine  *engine.Engine
	clock   engine.Clock
	members []*member
	changed chan struct{}
	parts   chan Part

	test     Test
	classes  map[string]*class
	assigned sched.Counts
	// generation counts what was posted to the loops; a loop that has reached
	// it has no order left.
	generation int64
	wanted     map[string]int
	window     time.Duration
	grace      time.Duration
	advice     *advice

	preparing sync.WaitGroup
	prepared  chan Preparation
	runEnds   context.Context //nolint:containedctx // what testEnds are made of
	runEnded  context.CancelFunc
	testEnds  context.Context //nolint:containedctx // of one test's preparations; the fleet has many tests
	cancel    context.CancelFunc
	parting   int // loops whose part of a collection is missing
}

// member is one loop with what belongs to it.
type member struct {
	loop   *engine.Loop
	roster *roster.Roster
	shard  *stats.Shard
	locked *stats.LockedShard
	// reached and empty are written on the loop and read by the owner.
	reached atomic.Int64
	empty   atomic.Bool
}

// New makes the loops and what belongs to each.
func New(config Config) (*Fleet, error) {
	clock := engine.NewClock()
	f := &Fleet{
		config: config, clock: clock,
		changed: make(chan struct{}, 1), prepared: make(chan Preparation),
		classes: make(map[string]*class), assigned: make(sched.Counts),
		advice: newAdvice(config.Logger),
	}
	f.runEnds, f.runEnded = context.WithCancel(context.Background())
	f.testEnds, f.cancel = context.WithCancel(f.runEnds)
	var err error
	f.engine, err = engine.New(engine.Config{
		Loops: config.Loops, Clock: clock, OnPanic: f.panicked, Connections: connectionLimit(),
	})
	if err != nil {
		return nil, fmt.Errorf("making the event loops: %w", err)
	}
	f.parts = make(chan Part, len(f.engine.Loops()))
	for _, loop := range f.engine.Loops() {
		f.members = append(f.members, f.member(loop))
	}
	f.SetOrigin(clock.Wall(0))
	return f, nil
}

func (f *Fleet) member(loop *engine.Loop) *member {
	m := &member{loop: loop, shard: stats.NewShard(f.config.Exception), locked: stats.NewLockedShard(f.config.Exception)}
	m.empty.Store(true)
	m.roster = roster.New(roster.Config{
		Loop: loop, Clock: f.clock, Event: m.shard, Blocking: m.locked,
		Logger: f.config.Logger, Advise: f.advice.about,
		Changed: func() {
			m.empty.Store(m.roster.Empty())
			f.signal()
		},
	})
	return m
}

// signal wakes the owner. Any goroutine; never blocks.
func (f *Fleet) signal() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// panicked takes the panic of a callback that the engine caught.
func (f *Fleet) panicked(cause any, stack []byte) {
	f.config.Exception(fmt.Sprintf("panic: %v", cause), string(stack))
}

// Run runs the loops until ctx ends, then closes every connection and waits
// for every goroutine.
func (f *Fleet) Run(ctx context.Context) error {
	err := f.engine.Run(ctx)
	f.runEnded()
	f.preparing.Wait()
	return err
}

// WaitUsers waits for the goroutines of blocking users. Call it when Run has
// returned or every user was cleared.
func (f *Fleet) WaitUsers(ctx context.Context) error {
	for _, m := range f.members {
		if err := m.roster.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Clock is the clock of every moment in the statistics.
func (f *Fleet) Clock() engine.Clock { return f.clock }

// Changed has something when users came, went or settled since it was last
// read.
func (f *Fleet) Changed() <-chan struct{} { return f.changed }

// Begin sets what the next users are made with. Nothing is prepared before
// Apply names a class. The users of an earlier test must be gone.
func (f *Fleet) Begin(test Test) {
	f.cancel()
	f.testEnds, f.cancel = context.WithCancel(f.runEnds)
	f.test, f.classes, f.assigned, f.wanted = test, make(map[string]*class), make(sched.Counts), nil
	f.advice.forget()
}

// Apply moves the users of each class to the wanted counts, evenly over the
// window; those that have to leave get the grace for work in flight. Counts are absolute; only the latest call counts. Classes that are
// not ready yet are prepared first, elsewhere: see Prepared.
func (f *Fleet) Apply(wanted map[string]int, window, grace time.Duration) {
	f.wanted, f.window, f.grace = wanted, window, grace
	for name, count := range wanted {
		if count > 0 && f.classes[name] == nil {
			f.prepare(name)
		}
	}
	f.move()
}

// move posts the steps from what was ordered before to what is wanted now,
// leaving out classes that are not open.
func (f *Fleet) move() {
	open := make(map[string]int, len(f.wanted))
	for name, count := range f.wanted {
		if class := f.classes[name]; class != nil && class.state == stateOpen {
			open[name] = f.within(name, class, count)
		}
	}
	window, grace := f.window, f.grace // the next Apply may come before the loops have read them
	for _, step := range sched.Plan(open, f.assigned, len(f.members)) {
		if f.assigned[step.Class] == nil {
			f.assigned[step.Class] = make([]int, len(f.members))
		}
		f.assigned[step.Class][step.Loop] += step.Change
		m := f.members[step.Loop]
		m.loop.Post(func() { m.roster.Change(step.Class, step.Change, window, grace) })
	}
	f.mark()
}

// mark has every loop say when it has done all that was posted before.
func (f *Fleet) mark() {
	f.generation++
	generation := f.generation
	for _, m := range f.members {
		m.loop.Post(func() {
			m.reached.Store(generation)
			f.signal()
		})
	}
}

// Clear ends every user; those with work in flight have the grace. The patient
// let users that only wait for their peers do so on; see user.Lingerer.
func (f *Fleet) Clear(grace time.Duration, patient bool) {
	f.cancel()
	f.wanted, f.assigned = nil, make(sched.Counts)
	for _, m := range f.members {
		m.loop.Post(func() {
			m.roster.Clear(grace, patient)
			m.empty.Store(m.roster.Empty())
		})
	}
	f.mark()
}

// Empty says that no user is left and no order under way.
func (f *Fleet) Empty() bool {
	for _, m := range f.members {
		if m.reached.Load() != f.generation || !m.empty.Load() {
			return false
		}
	}
	return true
}

// Placed says that every order was carried out: as many users were started
// and stopped as the last Apply asked for, of every class that is not failed.
func (f *Fleet) Placed() bool {
	for name, count := range f.wanted {
		if class := f.classes[name]; count > 0 && class != nil && class.state == statePreparing {
			return false
		}
	}
	for _, m := range f.members {
		if m.reached.Load() != f.generation {
			return false
		}
	}
	for _, class := range f.classes {
		for group := range class.opened {
			if group.Pending() != 0 {
				return false
			}
		}
	}
	return true
}

// Counts are the users that are present, for each class that was ever named
// in the test, and their sum.
func (f *Fleet) Counts() (counts map[string]int, sum int) {
	counts = make(map[string]int, len(f.classes))
	for name, class := range f.classes {
		present := 0
		for group := range class.opened {
			present += group.Present()
		}
		counts[name] = present
		sum += present
	}
	return counts, sum
}

// Full says that as many users are present as were asked for.
func (f *Fleet) Full() bool {
	counts, _ := f.Counts()
	for name, want := range f.wanted {
		if counts[name] != want {
			return false
		}
	}
	return true
}

// Late is the number of users that were asked to leave and are still there.
func (f *Fleet) Late() int {
	late := 0
	for _, class := range f.classes {
		for group := range class.opened {
			late += group.Late()
		}
	}
	return late
}

// Remaining is the number of users that are still there, asked to leave or not.
func (f *Fleet) Remaining() int {
	remaining := f.Late()
	for _, class := range f.classes {
		for group := range class.opened {
			remaining += group.Placed()
		}
	}
	return remaining
}

// Cut is the number of users of this test that ended with something in flight.
func (f *Fleet) Cut() int {
	cut := 0
	for _, class := range f.classes {
		for group := range class.opened {
			cut += group.Cut()
		}
	}
	return cut
}

// SetOrigin sets the time of day, on the master's clock, of the fleet's
// clock's origin: the statistics' seconds are counted from it.
func (f *Fleet) SetOrigin(origin time.Time) {
	for _, m := range f.members {
		m.locked.SetEpochOffset(origin.UnixNano())
		m.loop.Post(func() { m.shard.SetEpochOffset(origin.UnixNano()) })
	}
}

// Part is one loop's samples since the part before. Blocks may be added to
// reports until Release gives them back.
type Part struct {
	Blocks [2]*stats.Block
	owner  *member
}

// Release gives the blocks back for reuse.
func (p Part) Release() {
	p.owner.locked.Recycle(p.Blocks[1])
	p.owner.loop.Post(func() { p.owner.shard.Recycle(p.Blocks[0]) })
}

// Collect asks every loop for its part; they come through Parts. False: the
// parts of the collection before are still on their way.
func (f *Fleet) Collect() bool {
	if f.parting > 0 {
		return false
	}
	for _, m := range f.members {
		if m.loop.Post(func() {
			f.parts <- Part{Blocks: [2]*stats.Block{m.shard.Swap(), m.locked.Swap()}, owner: m}
		}) {
			f.parting++
		}
	}
	return f.parting > 0
}

// Parts delivers what Collect asked for. Its channel has room for all, so no
// loop ever waits for the owner.
func (f *Fleet) Parts() <-chan Part { return f.parts }

// Received has to be called for each part. True: it was the last one.
func (f *Fleet) Received() bool {
	f.parting--
	return f.parting == 0
}
