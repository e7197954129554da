package engine

import (
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"upsurge/worker/engine/internal/wheel"
)

// Timer is a node of a loop's timer wheel, to be embedded in what it times. The
// zero value is idle; an armed Timer must not be copied.
type Timer = wheel.Timer

// Expirer is told on the loop's goroutine when a timer is due.
type Expirer = wheel.Expirer

// Handler gets the events of connections, on the goroutine of their loop. Any
// callback may write to, close or dial any connection of its loop.
type Handler interface {
	// OnOpen says that the connection is established.
	OnOpen(c *Conn)
	// OnData brings bytes. They lie in the loop's read buffer and are valid only
	// during the call.
	OnData(c *Conn, data []byte)
	// OnClose says that the dial failed or that the connection ended, and why:
	// io.EOF when the peer closed, ErrTimeout, ErrClosed, ErrPanicked, or an
	// error of the system that Classify names. c is closed by then and may be
	// dialled again at once. It comes exactly once for each successful call of
	// Dial, unless the owner ends the connection with Close or Reset.
	OnClose(c *Conn, err error)
}

// Counts are figures of one loop.
type Counts struct {
	Open       int64  // connections that are established
	Connecting int64  // dials under way
	Dialed     uint64 // dials so far
	Failed     uint64 // dials that ended without a connection, except by their owner's Close
	// Lag is the worst delay of a timer's callback against the tick it was due
	// at, since the previous call of Counts. Far more than a few milliseconds
	// means that the loop has more work than it can do.
	Lag time.Duration
}

// Loop is one event loop: a goroutine that owns connections and timers.
type Loop struct {
	index    int
	clock    Clock
	budget   *budget // shared by all loops of the engine
	onPanic  func(value any, stack []byte)
	random   *rand.Rand
	wheel    *wheel.Wheel
	stopping atomic.Bool
	ending   bool // set on the loop's goroutine once no more dials are wanted

	// The connection whose OnOpen or OnData runs: the one to close if it panics.
	current *Conn
	// Connections with something to do at the end of the turn: a failure to
	// deliver, or bytes to read on.
	ready      []*Conn
	readyIndex int
	readyEnd   int

	open, connecting atomic.Int64
	dialed, failed   atomic.Uint64
	lag              atomic.Int64

	posted  atomic.Bool // the queue holds something: lets a turn pass without the lock
	mu      sync.Mutex
	queue   []func()
	ended   bool
	running []func() // the batch taken from queue; loop goroutine only
	runNext int

	sockets sockets // what the platform needs
}

func newLoop(index int, config Config, shared *budget) (*Loop, error) {
	l := &Loop{
		index:   index,
		clock:   config.Clock,
		budget:  shared,
		onPanic: config.OnPanic,
		random:  rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		wheel:   wheel.New(config.Clock.Now()),
	}
	if err := l.openSockets(config); err != nil {
		return nil, err
	}
	return l, nil
}

// Index is the loop's place in Engine.Loops. Safe from any goroutine.
func (l *Loop) Index() int { return l.index }

// Now is a fresh reading of the engine's clock. Safe from any goroutine.
func (l *Loop) Now() time.Duration { return l.clock.Now() }

// Rand is the loop's own source of random numbers. Loop goroutine only.
func (l *Loop) Rand() *rand.Rand { return l.random }

// Counts reads the loop's figures. Safe from any goroutine.
func (l *Loop) Counts() Counts {
	return Counts{
		Open:       l.open.Load(),
		Connecting: l.connecting.Load(),
		Dialed:     l.dialed.Load(),
		Failed:     l.failed.Load(),
		Lag:        time.Duration(l.lag.Swap(0)),
	}
}

// Schedule arms t to call e after the given time, or moves it when it is armed
// already. The resolution is one millisecond, and the call is never early. The
// timer must belong to this loop. Loop goroutine only.
func (l *Loop) Schedule(t *Timer, after time.Duration, e Expirer) {
	now := l.clock.Now()
	due := now + max(after, 0)
	if due < now {
		due = 1<<63 - 1
	}
	l.wheel.Add(t, due, e)
}

// Cancel makes t idle; it may be so already. Loop goroutine only.
func (l *Loop) Cancel(t *Timer) { l.wheel.Cancel(t) }

// Post asks the loop to call f on its goroutine. Functions run in the order in
// which they were posted. The result is false when the loop has ended; f then
// never runs. Otherwise it does, also when the loop is told to end before its
// turn comes, or when the engine's Run comes later. Safe from any goroutine, and
// from callbacks.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.queue = append(l.queue, f)
	if !l.posted.Swap(true) {
		// Under the lock, so that the descriptor can't be closed meanwhile.
		l.wake()
	}
	return true
}

func (l *Loop) refusePosts() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.queue = nil
}

// stop tells the loop to end. It doesn't wait for that.
func (l *Loop) stop() {
	l.stopping.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.wake()
	}
}

// run is the loop's goroutine.
func (l *Loop) run() error {
	var err error
	for err == nil && !l.stopping.Load() {
		err = l.wait(l.idleTime())
		l.guarded(l.turn)
	}
	l.end()
	return err
}

// idleTime is how long the loop may sleep; negative means until it is woken.
func (l *Loop) idleTime() time.Duration {
	if len(l.ready) > 0 || l.posted.Load() {
		return 0
	}
	next, armed := l.wheel.Next()
	if !armed {
		return -1
	}
	return max(next-l.clock.Now(), 0)
}

// turn handles what one wait brought. Every part of it keeps its place in the
// loop, so that after a panic the next call goes on behind it.
func (l *Loop) turn() {
	l.handleEvents()
	l.runPosted()
	l.fireTimers()
	l.handleReady()
}

// end does what remains once the loop is to stop.
func (l *Loop) end() {
	l.ending = true
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.guarded(l.runPosted)
	l.guarded(l.handleReady)
	l.guarded(l.closeAll)
	l.guarded(l.handleReady) // a panic above may have left an OnClose to deliver
	l.wheel.Clear()
}

// guarded calls work until it returns without a panic. One frame guards a whole
// batch of callbacks, so that each costs nothing extra.
func (l *Loop) guarded(work func()) {
	for !l.attempt(work) {
	}
}

func (l *Loop) attempt(work func()) (finished bool) {
	defer func() {
		if value := recover(); value != nil {
			l.panicked(value)
		}
	}()
	work()
	return true
}

func (l *Loop) panicked(value any) {
	if c := l.current; c != nil {
		l.current = nil
		c.abandon()
	}
	if l.onPanic != nil {
		l.onPanic(value, debug.Stack())
	}
}

func (l *Loop) runPosted() {
	if l.runNext == len(l.running) && l.posted.Load() {
		l.mu.Lock()
		l.running, l.queue = l.queue, l.running[:0]
		l.posted.Store(false)
		l.mu.Unlock()
		l.runNext = 0
	}
	for l.runNext < len(l.running) {
		f := l.running[l.runNext]
		l.running[l.runNext] = nil
		l.runNext++
		f()
	}
}

func (l *Loop) fireTimers() {
	l.wheel.Advance(l.clock.Now())
	for t := l.wheel.Pop(); t != nil; t = l.wheel.Pop() {
		// Read anew for each: the callbacks before it are part of its delay.
		if lag := int64(l.clock.Now() - t.Due()); lag > l.lag.Load() {
			l.lag.Store(lag)
		}
		t.Fire()
	}
}

// handleReady handles the connections that were queued before it began; those
// queued meanwhile wait for the next turn, after a look at the others' events.
func (l *Loop) handleReady() {
	if l.readyIndex == 0 {
		l.readyEnd = len(l.ready)
	}
	for l.readyIndex < l.readyEnd {
		c := l.ready[l.readyIndex]
		l.ready[l.readyIndex] = nil
		l.readyIndex++
		c.resume()
	}
	rest := copy(l.ready, l.ready[l.readyIndex:])
	l.ready = l.ready[:rest]
	l.readyIndex = 0
}
