//go:build linux && !portable

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"upsurge/targets"
	"upsurge/targets/admin"
)

const (
	// The parent tells a child its part in the environment: the command
	// line stays the same for all, so that ps shows what was asked for.
	targetChildVariable  = "UPSURGE_TARGET_CHILD"  // path of the admin socket
	targetListenVariable = "UPSURGE_TARGET_LISTEN" // addresses, comma separated

	// targetChildPatience is how long a child may take to close its
	// connections before it is killed.
	targetChildPatience = 30 * time.Second
)

type targetChildPart struct {
	admin  string
	listen []string
}

// targetChildFromEnvironment reports whether this process is one of several,
// and its part.
func targetChildFromEnvironment() (targetChildPart, bool) {
	socket := os.Getenv(targetChildVariable)
	if socket == "" {
		return targetChildPart{}, false
	}
	return targetChildPart{
		admin:  "unix:" + socket,
		listen: strings.Split(os.Getenv(targetListenVariable), ","),
	}, true
}

// superviseTarget runs count processes of this program, adds up their counts,
// and ends when the context or one of them does. The processes share all
// addresses or, divided, have each their own.
func superviseTarget(ctx context.Context, out io.Writer, binding targets.Binding, count int, divided bool, adminAddress string) error {
	if divided && len(binding.Listen) < count {
		return usageError("--divide-ports: %d addresses for %d processes: give at least one address for each", len(binding.Listen), count)
	}
	addresses, err := choosePorts(binding.Listen)
	if err != nil {
		return err
	}
	directory, err := os.MkdirTemp("", "upsurge-target-")
	if err != nil {
		return fmt.Errorf("directory for the processes' sockets: %w", err)
	}
	family := &targetFamily{addresses: addresses, divided: divided, log: binding.Log, ended: make(chan *targetChild, count)}
	for i := range count {
		family.sockets = append(family.sockets, filepath.Join(directory, fmt.Sprintf("%d.sock", i)))
	}
	watch, err := openAdmin(adminAddress, binding.Log, family.stats)
	if err != nil {
		return errors.Join(err, os.RemoveAll(directory))
	}
	err = runTogether(ctx, func(ctx context.Context) error {
		return family.run(ctx, out, watch)
	}, watch)
	return errors.Join(err, json.NewEncoder(out).Encode(family.final()), os.RemoveAll(directory))
}

// choosePorts finds out whether the addresses are free: with a shared port
// two tests would otherwise mix unnoticed. It settles on a port where the
// system is to choose.
func choosePorts(listen []string) ([]string, error) {
	chosen := make([]string, 0, len(listen))
	for _, address := range listen {
		probe, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listening on %s: %w", address, err)
		}
		_, port, err := net.SplitHostPort(probe.Addr().String())
		if err = errors.Join(err, probe.Close()); err != nil {
			return nil, fmt.Errorf("choosing a port for %s: %w", address, err)
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("choosing a port for %s: %w", address, err)
		}
		chosen = append(chosen, net.JoinHostPort(host, port))
	}
	return chosen, nil
}

// targetFamily is the parent's view of its processes. Its fields belong to
// the goroutine of run; sockets, addresses, divided and log don't change.
type targetFamily struct {
	sockets   []string // the admin listeners of the children
	addresses []string
	divided   bool
	log       *slog.Logger
	children  []*targetChild
	ended     chan *targetChild
}

// targetChild is one process. Its reading goroutine owns it until it is sent
// to ended.
type targetChild struct {
	command *exec.Cmd
	ready   chan struct{} // closed when it listens on every address
	final   targets.Stats
	err     error
}

// run starts the processes, waits until the context or one of them ends, and
// ends the others.
func (f *targetFamily) run(ctx context.Context, out io.Writer, watch *admin.Server) error {
	// PDEATHSIG is about the thread that started a child: it must stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := f.start()
	if err == nil {
		err = f.awaitReady(ctx)
	}
	if err == nil {
		f.announce(out, watch)
		err = f.awaitEnd(ctx)
	}
	return errors.Join(err, f.stop())
}

// part are the addresses of a process.
func (f *targetFamily) part(index int) []string {
	if !f.divided {
		return f.addresses
	}
	count := len(f.sockets)
	return f.addresses[len(f.addresses)*index/count : len(f.addresses)*(index+1)/count]
}

func (f *targetFamily) start() error {
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program for its processes: %w", err)
	}
	for i, socket := range f.sockets {
		child := &targetChild{
			command: exec.Command(executable, os.Args[1:]...),
			ready:   make(chan struct{}),
		}
		child.command.Env = append(os.Environ(),
			targetChildVariable+"="+socket,
			targetListenVariable+"="+strings.Join(f.part(i), ","))
		child.command.Stderr = os.Stderr
		// A parent that is killed can't tell anyone.
		child.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		stdout, err := child.command.StdoutPipe()
		if err == nil {
			err = child.command.Start()
		}
		if err != nil {
			return fmt.Errorf("starting process %d of %d: %w", i+1, len(f.sockets), err)
		}
		f.children = append(f.children, child)
		go func() {
			child.follow(stdout, len(f.part(i)))
			f.ended <- child
		}()
	}
	return nil
}

// follow reads what the child prints until it ends.
func (c *targetChild) follow(stdout io.Reader, addresses int) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, listeningPrefix):
			if addresses--; addresses == 0 {
				close(c.ready)
			}
		case strings.HasPrefix(line, "{"):
			if err := json.Unmarshal([]byte(line), &c.final); err != nil {
				c.err = fmt.Errorf("final counts of process %d: %w", c.command.Process.Pid, err)
			}
		}
	}
	// Whatever stopped the scanner, the child must not block on its pipe.
	_, _ = io.Copy(io.Discard, stdout)
	c.err = errors.Join(c.err, lines.Err(), c.command.Wait())
}

func (f *targetFamily) awaitReady(ctx context.Context) error {
	for _, child := range f.children {
		select {
		case <-child.ready:
		case gone := <-f.ended:
			return f.bury(gone)
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

func (f *targetFamily) announce(out io.Writer, watch *admin.Server) {
	for _, address := range f.addresses {
		fmt.Fprintf(out, "%s%s\n", listeningPrefix, address)
	}
	if watch != nil {
		fmt.Fprintf(out, "admin on %s\n", watch.Addr())
	}
}

func (f *targetFamily) awaitEnd(ctx context.Context) error {
	select {
	case gone := <-f.ended:
		return f.bury(gone)
	case <-ctx.Done():
		return nil
	}
}

// bury puts a child that ended uncalled back in the queue of the ended, for
// stop to count, and says what happened.
func (f *targetFamily) bury(child *targetChild) error {
	f.ended <- child
	reason := "without a reason"
	if child.err != nil {
		reason = child.err.Error()
	}
	return fmt.Errorf("process %d ended unexpectedly: %s", child.command.Process.Pid, reason)
}

// stop ends all children and waits for them.
func (f *targetFamily) stop() error {
	for _, child := range f.children {
		// A child that has ended needs no signal.
		_ = child.command.Process.Signal(syscall.SIGTERM)
	}
	patience := time.NewTimer(targetChildPatience)
	defer patience.Stop()
	var faults []error
	for range f.children {
		select {
		case child := <-f.ended:
			if child.err != nil {
				faults = append(faults, fmt.Errorf("process %d: %w", child.command.Process.Pid, child.err))
			}
		case <-patience.C:
			for _, child := range f.children {
				_ = child.command.Process.Kill()
			}
			f.log.Error("processes didn't end in time and were killed: their last counts are lost", "patience", targetChildPatience)
			child := <-f.ended
			faults = append(faults, fmt.Errorf("process %d: %w", child.command.Process.Pid, child.err))
		}
	}
	return errors.Join(faults...)
}

// stats asks every child. Any goroutine.
func (f *targetFamily) stats(ctx context.Context) (targets.Stats, error) {
	total := targets.Stats{PID: os.Getpid()}
	for _, socket := range f.sockets {
		stats, err := admin.Fetch(ctx, socket)
		if err != nil {
			return total, err
		}
		total.Add(stats)
	}
	return total, nil
}

// final adds up what the children printed last; all have ended.
func (f *targetFamily) final() targets.Stats {
	total := targets.Stats{PID: os.Getpid()}
	for _, child := range f.children {
		total.Add(child.final)
	}
	return total
}
