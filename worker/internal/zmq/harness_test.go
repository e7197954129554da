package zmq_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"upsurge/worker/internal/zmq"
)

// patience bounds every wait in these tests. It is no part of what they check.
const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is a Dealer that runs until the test ends.
type client struct {
	*zmq.Dealer
	t      *testing.T
	cancel context.CancelFunc
	ended  chan error
}

// run starts a Dealer. Zero fields of the configuration get test values.
func run(t *testing.T, config zmq.Config) *client {
	t.Helper()
	if config.Identity == "" {
		config.Identity = "host_" + strings.ReplaceAll(t.Name(), "/", "-")
	}
	dealer, err := zmq.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &client{Dealer: dealer, t: t, cancel: cancel, ended: make(chan error, 1)}
	go func() { c.ended <- dealer.Run(ctx) }()
	t.Cleanup(c.stop)
	return c
}

// stop ends the Dealer and checks that Run returns nil and closes the events.
func (c *client) stop() {
	c.cancel()
	for range c.Events() { // reading to the end is what a consumer owes
	}
	select {
	case err, ok := <-c.ended:
		if err != nil {
			c.t.Errorf("Run: %v", err)
		}
		if ok {
			close(c.ended)
		}
	case <-time.After(patience):
		c.t.Error("Run did not return after it closed the events")
	}
}

// next returns the next event, which must be of that kind.
func (c *client) next(kind zmq.Kind) zmq.Event {
	c.t.Helper()
	select {
	case event, ok := <-c.Events():
		if !ok || event.Kind != kind {
			c.t.Fatalf("event %v of epoch %d (%v), open %v; want %v", event.Kind, event.Epoch, event.Err, ok, kind)
		}
		return event
	case <-time.After(patience):
		c.t.Fatalf("no event, want %v", kind)
		return zmq.Event{}
	}
}

// skipTo returns the next event of that kind and passes over messages.
func (c *client) skipTo(kind zmq.Kind) zmq.Event {
	c.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case event, ok := <-c.Events():
			switch {
			case ok && event.Kind == kind:
				return event
			case !ok || event.Kind != zmq.Message:
				c.t.Fatalf("event %v of epoch %d (%v), open %v; want %v", event.Kind, event.Epoch, event.Err, ok, kind)
			}
		case <-deadline:
			c.t.Fatalf("no event, want %v", kind)
		}
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never true: %s", what)
		}
	}
}

// attempts collects what OnDialError gets.
type attempts chan error

func newAttempts() attempts { return make(attempts, 1000) }

func (a attempts) note(err error) {
	select {
	case a <- err:
	default:
	}
}

// await returns the first failure that is of the wanted kind.
func (a attempts) await(t *testing.T, want error) error {
	t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case err := <-a:
			if errors.Is(err, want) {
				return err
			}
			t.Logf("other failure: %v", err)
		case <-deadline:
			t.Fatalf("no attempt failed with %v", want)
		}
	}
}

// server accepts TCP connections until the test ends and has each handled on a
// goroutine. It waits for all of them.
func server(t *testing.T, handle func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var (
		tasks  sync.WaitGroup
		lock   sync.Mutex
		conns  []net.Conn
		closed bool
	)
	tasks.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			lock.Lock()
			conns = append(conns, conn)
			if closed {
				_ = conn.Close()
			}
			lock.Unlock()
			tasks.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		lock.Lock()
		closed = true
		for _, conn := range conns {
			_ = conn.Close()
		}
		lock.Unlock()
		tasks.Wait()
	})
	return listener.Addr().String()
}

// locusts are the Locust executables to test against.
func locusts(t *testing.T) []string {
	t.Helper()
	if list := os.Getenv("UPSURGE_LOCUST"); list != "" {
		return slices.DeleteFunc(strings.Split(list, ":"), func(path string) bool { return path == "" })
	}
	path, err := exec.LookPath("locust")
	if err != nil {
		t.Skip("no Locust: set UPSURGE_LOCUST to paths of its executable, separated by colons")
	}
	return []string{path}
}

// router starts testdata/router.py with the Python of a Locust and returns its
// address.
func router(t *testing.T) (address string) {
	t.Helper()
	for _, locust := range locusts(t) {
		if real, err := filepath.EvalSymlinks(locust); err == nil {
			locust = real
		}
		python := filepath.Join(filepath.Dir(locust), "python")
		if exec.Command(python, "-c", "import zmq").Run() == nil {
			return startRouter(t, python)
		}
	}
	t.Skip("no Python with pyzmq beside the Locust executables")
	return ""
}

func startRouter(t *testing.T, python string) (address string) {
	t.Helper()
	command := exec.Command(python, "testdata/router.py")
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("router.py: %v", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("router.py printed no port: %v", err)
	}
	return "127.0.0.1:" + strings.TrimSpace(line)
}

// proxy carries TCP connections to a target and can cut them.
type proxy struct {
	address string
	lock    sync.Mutex
	live    map[net.Conn]net.Conn
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	p := &proxy{live: map[net.Conn]net.Conn{}}
	p.address = server(t, func(near net.Conn) {
		far, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		p.lock.Lock()
		p.live[near] = far
		p.lock.Unlock()
		var tasks sync.WaitGroup
		for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
			tasks.Go(func() {
				// Hidden behind plain interfaces, or the copy would go through pipes
				// that Go keeps for later, and descriptors could not be counted.
				_, _ = io.Copy(struct{ io.Writer }{way[0]}, struct{ io.Reader }{way[1]})
				_ = way[0].(*net.TCPConn).CloseWrite()
			})
		}
		tasks.Wait()
		_ = far.Close()
		p.lock.Lock()
		delete(p.live, near)
		p.lock.Unlock()
	})
	return p
}

// cut ends all connections, with a FIN or with a RST.
func (p *proxy) cut(reset bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	for near, far := range p.live {
		for _, conn := range []net.Conn{near, far} {
			if reset {
				_ = conn.(*net.TCPConn).SetLinger(0)
			}
			_ = conn.Close()
		}
	}
}

// freePort is a port of loopback that was free a moment ago. It is below the
// range from which the kernel gives ports to clients: one of those would take
// it before the test does.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := fmt.Sprint(20_000 + rand.N(10_000))
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatal("found no free port")
	return ""
}
