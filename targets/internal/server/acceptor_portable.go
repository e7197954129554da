//go:build !linux || portable

package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"upsurge/targets"
)

// acceptPause is how long accepting rests when descriptors have run out.
const acceptPause = 50 * time.Millisecond

// listener is a listening socket of package net.
type listener struct {
	network net.Listener
	address net.Addr
}

func listen(address string, binding targets.Binding) (*listener, error) {
	network, err := Bind(address, binding)
	if err != nil {
		return nil, err
	}
	return &listener{network: network, address: network.Addr()}, nil
}

// Bind ignores the backlog: package net asks for what the system allows.
func Bind(address string, binding targets.Binding) (net.Listener, error) {
	if binding.ReusePort {
		return nil, errors.New("sharing a port between processes needs the Linux build")
	}
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	return config.Listen(context.Background(), "tcp", address)
}

// WarnIfClipped has nothing to say: no backlog was asked for.
func WarnIfClipped(targets.Binding) {}

func (l *listener) close() error {
	if err := l.network.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// acceptor has a goroutine for each listening socket and deals connections
// out to the loops in turn.
type acceptor struct {
	listeners []*listener
	loops     []*loop
	log       *slog.Logger
	next      atomic.Uint64
	warned    atomic.Bool
	failures  atomic.Int64 // accepts that failed
}

func (a *acceptor) init(listeners []*listener, loops []*loop, log *slog.Logger) error {
	a.listeners, a.loops, a.log = listeners, loops, log
	return nil
}

// run accepts until wake or until a listening socket fails for good.
func (a *acceptor) run(ctx context.Context) error {
	failures := make([]error, len(a.listeners))
	var accepting sync.WaitGroup
	for i, l := range a.listeners {
		accepting.Go(func() {
			failures[i] = a.accept(ctx, l)
			a.wake() // one gone: all end
		})
	}
	accepting.Wait()
	return errors.Join(failures...)
}

func (a *acceptor) accept(ctx context.Context, l *listener) error {
	for {
		network, err := l.network.Accept()
		switch {
		case err == nil:
			a.loops[a.next.Add(1)%uint64(len(a.loops))].adopt(network)
		case errors.Is(err, net.ErrClosed):
			return nil
		case isExhausted(err):
			a.failures.Add(1)
			if !a.warned.Swap(true) {
				a.log.Error("can't accept more connections for now: raise ulimit -n", "error", err)
			}
			a.rest(ctx)
		case errors.Is(err, syscall.ECONNABORTED):
			a.failures.Add(1)
		default:
			return fmt.Errorf("accepting on %s: %w", l.address, err)
		}
	}
}

func isExhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS)
}

func (a *acceptor) rest(ctx context.Context) {
	pause := time.NewTimer(acceptPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
}

// wake ends run by closing the listening sockets. Any goroutine.
func (a *acceptor) wake() {
	for _, l := range a.listeners {
		// The server closes them again and reports what that says.
		_ = l.close()
	}
}

func (a *acceptor) close() error { return nil }
