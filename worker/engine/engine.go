// Package engine runs event loops that own client connections over TCP: dial,
// read, write, deadlines and timers, for a million connections per process. It
// knows nothing of what the connections are for.
//
// A Loop is one goroutine. It owns its connections and timers and makes all
// callbacks, so handlers need no locks as long as they stay with what belongs to
// their loop. Work from other goroutines enters through Loop.Post.
//
// On Linux a loop waits on epoll, and a connection that is held costs 112 bytes of
// user space: its Conn and eight bytes of its loop. Elsewhere, and with the build tag portable,
// the same API runs on package net with goroutines per connection.
package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
)

const (
	defaultReadBuffer = 64 << 10
	minReadBuffer     = 512
)

// Config describes an Engine. The zero value is usable.
type Config struct {
	// Loops is the number of event loops; 0 means one per GOMAXPROCS.
	Loops int
	// Clock gives the moments of Loop.Now; the zero value means NewClock().
	Clock Clock
	// ReadBuffer is the size of a loop's read buffer, hence the most that one
	// OnData gets, in bytes; 0 means 64 KiB.
	ReadBuffer int
	// Connections bounds the connections and dials of all loops together; one
	// more fails as it does when a process has no descriptor left. 0 means no
	// bound. It keeps descriptors free for what else the process needs.
	Connections int
	// OnPanic, if not nil, is told of a panic in a callback or a posted function:
	// its value and the stack. It is called on the loop's goroutine and must not
	// panic itself. The engine goes on either way: a panic in OnOpen or OnData
	// ends that connection with ErrPanicked, one elsewhere ends nothing more
	// than that call.
	OnPanic func(value any, stack []byte)
}

func (c *Config) normalize() error {
	var faults []error
	if c.Loops < 0 {
		faults = append(faults, fmt.Errorf("engine: Loops is %d, want 0 (one per processor) or more", c.Loops))
	}
	if c.ReadBuffer < 0 || (c.ReadBuffer > 0 && c.ReadBuffer < minReadBuffer) {
		faults = append(faults, fmt.Errorf("engine: ReadBuffer is %d, want 0 (64 KiB) or at least %d bytes", c.ReadBuffer, minReadBuffer))
	}
	if c.Connections < 0 {
		faults = append(faults, fmt.Errorf("engine: Connections is %d, want 0 (no bound) or more", c.Connections))
	}
	if c.Loops == 0 {
		c.Loops = runtime.GOMAXPROCS(0)
	}
	if c.ReadBuffer == 0 {
		c.ReadBuffer = defaultReadBuffer
	}
	if c.Clock == (Clock{}) {
		c.Clock = NewClock()
	}
	return errors.Join(faults...)
}

// Engine is a set of event loops. Its methods are safe from any goroutine.
type Engine struct {
	loops []*Loop

	mu   sync.Mutex
	used bool // by Run or Close
}

// New makes an engine and the descriptors of its loops. Release them with
// either Run or Close.
func New(config Config) (*Engine, error) {
	if err := config.normalize(); err != nil {
		return nil, err
	}
	e := &Engine{}
	shared := &budget{most: int64(config.Connections)}
	for i := range config.Loops {
		l, err := newLoop(i, config, shared)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("engine: loop %d of %d: %w", i, config.Loops, err), e.release())
		}
		e.loops = append(e.loops, l)
	}
	return e, nil
}

// Loops lists the event loops by index. The slice must not be changed.
func (e *Engine) Loops() []*Loop { return e.loops }

// Run starts the loops and blocks until all have ended, which they do when ctx
// ends or when one of them fails. Each then runs what was posted to it, closes
// its connections (OnClose with ErrClosed) and forgets its timers without
// calling them. The result is nil when ctx was the cause. An engine runs once.
func (e *Engine) Run(ctx context.Context) error {
	if !e.use() {
		return fmt.Errorf("engine: Run: %w: an engine runs once", ErrClosed)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make([]error, len(e.loops))
	var running sync.WaitGroup
	for i, l := range e.loops {
		// Loops aren't locked to threads: a loop spends its idle time inside
		// epoll_wait, where the runtime may take its processor for others, and a
		// locked thread would make each such hand-over dearer.
		running.Go(func() {
			defer cancel()
			failures[i] = l.run()
		})
	}
	<-ctx.Done()
	for _, l := range e.loops {
		l.stop()
	}
	running.Wait()
	return errors.Join(append(failures, e.release())...)
}

// Close releases the descriptors of an engine that never ran; functions posted
// to it are dropped. After Run it does nothing.
func (e *Engine) Close() error {
	if !e.use() {
		return nil
	}
	for _, l := range e.loops {
		l.refusePosts()
	}
	return e.release()
}

func (e *Engine) use() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := !e.used
	e.used = true
	return first
}

func (e *Engine) release() error {
	var faults []error
	for _, l := range e.loops {
		faults = append(faults, l.release())
	}
	return errors.Join(faults...)
}
