package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"upsurge/targets"
)

// Server accepts connections and runs the loops they live on. Its methods may
// be called from any goroutine.
type Server struct {
	log       *slog.Logger
	started   time.Time
	listeners []*listener
	addresses []net.Addr
	loops     []*loop
	acceptor  acceptor

	mu      sync.Mutex
	running bool
}

// New binds the addresses; connections are accepted by the kernel from here
// on and served once Run is called. The binding must be a normalized one.
func New(binding targets.Binding, handlers HandlerFactory) (*Server, error) {
	s := &Server{log: binding.Log, started: time.Now()}
	for _, address := range binding.Listen {
		l, err := listen(address, binding)
		if err != nil {
			return nil, errors.Join(BindError(address, err), s.release())
		}
		s.listeners = append(s.listeners, l)
		s.addresses = append(s.addresses, l.address)
	}
	WarnIfClipped(binding)
	for range binding.Loops {
		l, err := newLoop(handlers)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("starting an event loop: %w", err), s.release())
		}
		s.loops = append(s.loops, l)
	}
	if err := s.acceptor.init(s.listeners, s.loops, s.log); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing to accept: %w", err), s.release())
	}
	return s, nil
}

// Addrs returns the bound addresses, in the order of the binding.
func (s *Server) Addrs() []net.Addr { return s.addresses }

// Run serves until the context ends, then closes every connection and returns
// nil when all goroutines have ended. An error means that accepting or a loop
// failed for good; everything is closed then, too. Run can be called once.
func (s *Server) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.running {
		s.mu.Unlock()
		return errors.New("the server was already run: make a new one")
	}
	s.running = true
	for _, l := range s.loops {
		l.done = make(chan struct{})
	}
	s.mu.Unlock()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make([]error, len(s.loops)+1)
	var loops, accepting sync.WaitGroup
	for i, l := range s.loops {
		loops.Go(func() {
			defer cancel() // one loop gone: the whole server ends
			failures[i] = l.run()
		})
	}
	accepting.Go(func() {
		defer cancel()
		failures[len(s.loops)] = s.acceptor.run(ctx)
	})
	<-ctx.Done()
	s.acceptor.wake()
	accepting.Wait() // no connection arrives at a loop that has ended
	for _, l := range s.loops {
		l.stop()
	}
	loops.Wait()
	return errors.Join(append(failures, s.release())...)
}

// Close releases the addresses of a server that was never run.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return errors.New("the server was run: end the context of Run instead")
	}
	s.running = true
	for _, l := range s.loops {
		l.done = make(chan struct{})
		close(l.done)
	}
	return s.release()
}

// Stats adds up the loops' counters. Each loop reports between two callbacks,
// so whatever a client has seen is in the books.
func (s *Server) Stats() targets.Stats {
	stats := targets.Stats{
		Processes:     1,
		UptimeSeconds: time.Since(s.started).Seconds(),
		PID:           os.Getpid(),
	}
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if running {
		for _, l := range s.loops {
			stats.Add(targets.Stats{Counters: l.snapshot()})
		}
	}
	stats.AcceptErrors += s.acceptor.failures.Load()
	return stats
}

// release closes what New opened and Run hasn't closed. It may be called on a
// half-made server.
func (s *Server) release() error {
	var faults []error
	for _, l := range s.listeners {
		faults = append(faults, l.close())
	}
	for _, l := range s.loops {
		faults = append(faults, l.close())
	}
	faults = append(faults, s.acceptor.close())
	return errors.Join(faults...)
}
