//go:build linux && !portable

package server_test

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"upsurge/targets"
	"upsurge/targets/internal/server"
	"upsurge/targets/internal/targettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silent accepts and does nothing.
type silent struct{}

func (silent) OnOpen(*server.Conn)         {}
func (silent) OnData(*server.Conn, []byte) {}
func (silent) OnWritable(*server.Conn)     {}
func (silent) OnTimer(*server.Conn)        {}
func (silent) OnClose(*server.Conn)        {}

func newSilent(t testing.TB, log *slog.Logger) *server.Server {
	t.Helper()
	binding, err := targets.Binding{Listen: []string{"127.0.0.1:0"}, Loops: 2, Log: log, Backlog: 1000}.Normalized()
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(binding, func(*targets.Counters) server.Handler { return silent{} })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// clients opens raw sockets without connecting them.
func clients(t testing.TB, count int) []int {
	t.Helper()
	fds := make([]int, count)
	for i := range fds {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		fds[i] = fd
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
	return fds
}

func connect(t testing.TB, s *server.Server, fds []int) {
	t.Helper()
	address := &unix.SockaddrInet4{Port: s.Addrs()[0].(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	for _, fd := range fds {
		if err := unix.Connect(fd, address); err != nil {
			t.Fatal(err)
		}
	}
}

// buffer is a log that may be written and read from several goroutines.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestAcceptingPausesWithoutDescriptorsAndResumes(t *testing.T) {
	const count = 40
	var logged buffer
	s := newSilent(t, slog.New(slog.NewTextHandler(&logged, nil)))
	stop := targettest.Start(t, s)
	fds := clients(t, count)

	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	restore := sync.OnceFunc(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	})
	defer restore()
	tight := before
	tight.Cur = uint64(fds[count-1] + 5) // the server gets four at most
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &tight); err != nil {
		t.Fatal(err)
	}
	connect(t, s, fds)
	stats := targettest.Await(t, s, "a second failed accept", func(s targets.Stats) bool { return s.AcceptErrors >= 2 })
	if stats.Open >= count {
		t.Errorf("%d connections open in spite of the limit", stats.Open)
	}
	restore()
	targettest.Await(t, s, "the rest", func(s targets.Stats) bool { return s.Open == count })
	if n := strings.Count(logged.String(), "raise ulimit -n"); n != 1 {
		t.Errorf("the advice was logged %d times, want once:\n%s", n, logged.String())
	}
	if final := stop(); final.Closed != count || final.Open != 0 {
		t.Errorf("final %+v", final.Counters)
	}
}

func TestReusePortSharesThePort(t *testing.T) {
	binding, err := targets.Binding{Listen: []string{"127.0.0.1:0"}, ReusePort: true}.Normalized()
	if err != nil {
		t.Fatal(err)
	}
	handlers := func(*targets.Counters) server.Handler { return silent{} }
	first, err := server.New(binding, handlers)
	if err != nil {
		t.Fatal(err)
	}
	targettest.Start(t, first)
	binding.Listen = []string{first.Addrs()[0].String()}
	second, err := server.New(binding, handlers)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

func TestShortBacklogIsReported(t *testing.T) {
	var logged buffer
	binding, err := targets.Binding{
		Listen: []string{"127.0.0.1:0", "127.0.0.1:0"}, Backlog: 1 << 30,
		Log: slog.New(slog.NewTextHandler(&logged, nil)),
	}.Normalized()
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(binding, func(*targets.Counters) server.Handler { return silent{} })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(logged.String(), "somaxconn="); n != 1 {
		t.Errorf("the clipped backlog was logged %d times, want once:\n%s", n, logged.String())
	}
}
