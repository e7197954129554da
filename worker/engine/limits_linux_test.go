package engine_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upsurge/worker/engine"
)

const childVariable = "ENGINE_TEST_CHILD"

// inChild runs the calling test once more, in a process of its own with the
// given attributes, and reports whether this is that process.
func inChild(t *testing.T, attributes *syscall.SysProcAttr) bool {
	t.Helper()
	if os.Getenv(childVariable) != "" {
		return true
	}
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), childVariable+"=1")
	command.SysProcAttr = attributes
	output, err := command.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		t.Skipf("no namespaces for this user: %v", err)
	}
	if err != nil {
		t.Errorf("in a process of its own: %v\n%s", err, output)
	}
	return false
}

// inNamespace is inChild with a network of its own: loopback only, and the
// given range of local ports.
func inNamespace(t *testing.T, first, last int) bool {
	t.Helper()
	attributes := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if os.Getuid() != 0 {
		attributes.Cloneflags |= unix.CLONE_NEWUSER
		attributes.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		attributes.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	if !inChild(t, attributes) {
		return false
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	loopback.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, loopback); err != nil {
		t.Fatalf("bring up loopback: %v", err)
	}
	const setting = "/proc/sys/net/ipv4/ip_local_port_range"
	if err := os.WriteFile(setting, fmt.Appendf(nil, "%d %d", first, last), 0o600); err != nil {
		t.Fatal(err)
	}
	return true
}

// results dials count times and waits until each is open or has failed.
func results(t *testing.T, l *engine.Loop, conns []engine.Conn, target *engine.Target) map[engine.Failure]int {
	t.Helper()
	out := make(chan engine.Failure, len(conns))
	for i := range conns {
		dial(t, l, &conns[i], target, &handler{
			open:  func(*engine.Conn) { out <- engine.None },
			close: func(_ *engine.Conn, err error) { out <- engine.Classify(err) },
		})
	}
	counts := map[engine.Failure]int{}
	for range conns {
		counts[receive(t, out, "result of a dial")]++
	}
	return counts
}

func TestSourcePortsServeEveryDestination(t *testing.T) {
	if engine.Portable {
		t.Skip("package net reserves a local port for all destinations")
	}
	const ports = 10
	if !inNamespace(t, 40000, 40000+ports-1) {
		return
	}
	l := one(t)
	for _, destination := range []string{"127.0.0.1:7001", "127.0.0.1:7002"} {
		target := target(t, engine.TargetConfig{
			Address:         serve(t, destination, swallow),
			SourceAddresses: []netip.Addr{netip.MustParseAddr("127.0.0.2")},
		})
		conns := make([]engine.Conn, ports+3)
		got := results(t, l, conns, target)
		if got[engine.None] != ports || got[engine.NoPorts] != 3 {
			t.Errorf("%s: %v, want %d open and 3 without a local port", destination, got, ports)
		}
		t.Cleanup(func() { do(t, l, func() { conns[0].Close() }) })
	}
	if open := l.Counts().Open; open != 2*ports {
		t.Errorf("%d connections are open, want %d", open, 2*ports)
	}
}

func TestNoLocalPorts(t *testing.T) {
	const ports = 4
	if !inNamespace(t, 40000, 40000+ports-1) {
		return
	}
	l := one(t)
	got := results(t, l, make([]engine.Conn, ports+2), to(t, serve(t, "127.0.0.1:7001", swallow)))
	if got[engine.None] != ports || got[engine.NoPorts] != 2 {
		t.Errorf("%v, want %d open and 2 without a local port", got, ports)
	}
}

// With a single pair of local ports the kernel connects the socket to itself.
func TestConnectionToItself(t *testing.T) {
	if !inNamespace(t, 40000, 40001) {
		return
	}
	l := one(t)
	for _, port := range []string{"40000", "40001"} {
		got := results(t, l, make([]engine.Conn, 1), to(t, net.JoinHostPort("127.0.0.1", port)))
		if got[engine.None] != 0 {
			t.Errorf("port %s: a connection to itself counts as open", port)
		}
	}
}

func TestNoDescriptors(t *testing.T) {
	if !inChild(t, nil) {
		return
	}
	l := one(t)
	target := to(t, serve(t, "127.0.0.1:0", swallow))
	open := descriptors(t)
	const room = 20 // or a few more: the limit is on numbers, of which some lower ones are free
	limit := syscall.Rlimit{Cur: uint64(open + room), Max: uint64(open + room)}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	conns := make([]engine.Conn, 2*room)
	got := results(t, l, conns, target)
	if got[engine.NoDescriptors] < room/2 || got[engine.NoDescriptors]+got[engine.None] != len(conns) {
		t.Errorf("%v, want at least %d without a descriptor and the others open", got, room/2)
	}
	do(t, l, func() {
		for i := range conns {
			conns[i].Close()
		}
	})
	eventually(t, "a dial that works again", func() bool {
		again := make([]engine.Conn, 1)
		worked := results(t, l, again, target)[engine.None] == 1
		do(t, l, again[0].Close)
		return worked
	})
}

func TestConnectTimeout(t *testing.T) {
	l := one(t)
	const timeout = 50 * time.Millisecond
	target := target(t, engine.TargetConfig{Address: engine.Blackhole(t), ConnectTimeout: timeout})
	before := descriptors(t)
	var begun time.Duration
	do(t, l, func() { begun = l.Now() })
	got := follow(t, l, target)
	if !errors.Is(got.err, engine.ErrTimeout) || got.opened {
		t.Errorf("ended with %v, opened %v; want %v", got.err, got.opened, engine.ErrTimeout)
	}
	if took := l.Now() - begun; took < timeout {
		t.Errorf("timed out after %v, too early", took)
	}
	eventually(t, "closed descriptor", func() bool { return descriptors(t) <= before })
}

func TestDeadlineReplacesConnectTimeout(t *testing.T) {
	l := one(t)
	target := target(t, engine.TargetConfig{Address: engine.Blackhole(t), ConnectTimeout: time.Hour})
	var c, closed engine.Conn
	ended := make(chan error, 1)
	do(t, l, func() {
		h := &handler{close: func(_ *engine.Conn, err error) { ended <- err }}
		never := &handler{close: func(*engine.Conn, error) { t.Error("OnClose after Close") }}
		if err := errors.Join(l.Dial(&c, target, h), l.Dial(&closed, target, never)); err != nil {
			t.Errorf("Dial: %v", err)
		}
		c.SetDeadline(5 * time.Millisecond)
		if connecting := l.Counts().Connecting; connecting != 2 {
			t.Errorf("%d are connecting, want 2", connecting)
		}
		closed.Close()
	})
	if err := receive(t, ended, "OnClose"); !errors.Is(err, engine.ErrTimeout) {
		t.Errorf("ended with %v, want %v", err, engine.ErrTimeout)
	}
	if counts := l.Counts(); counts.Connecting != 0 || counts.Failed != 1 {
		t.Errorf("counts are %+v, want one failed and none connecting", counts)
	}
}
