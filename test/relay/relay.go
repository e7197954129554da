package relay

import (
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
)

// dialTimeout is for the way to the master, which is on this machine.
const dialTimeout = 3 * time.Second

// Verdict is what becomes of a message.
type Verdict struct {
	Drop  bool
	Delay time.Duration // it is overtaken by what comes after it
}

// Relay listens in the master's place.
type Relay struct {
	t        testing.TB
	master   string
	listener net.Listener
	carrying sync.WaitGroup

	mu          sync.Mutex
	changed     *sync.Cond // blackhole, closed, or the state of a connection
	closed      bool
	blackhole   [2]bool // by Direction
	judge       func(Message) Verdict
	seen        []Message
	faults      []error
	connections map[int]*connection
	dials       int
}

// Start makes a relay to the master's port on this machine. It ends with the
// test, and fails it if one of the two ends spoke no ZMTP.
func Start(t testing.TB, masterPort int) *Relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{
		t: t, listener: listener, master: net.JoinHostPort("127.0.0.1", strconv.Itoa(masterPort)),
		connections: map[int]*connection{},
	}
	r.changed = sync.NewCond(&r.mu)
	r.carrying.Go(r.accept)
	t.Cleanup(r.close)
	return r
}

// Port is where workers find the relay.
func (r *Relay) Port() int { return r.listener.Addr().(*net.TCPAddr).Port }

func (r *Relay) accept() {
	for {
		worker, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		lost := r.blackhole[ToMaster] || r.blackhole[ToWorker]
		r.dials++
		number := r.dials
		r.mu.Unlock()
		if lost {
			r.carrying.Go(func() { r.swallow(worker) })
			continue
		}
		master, err := net.DialTimeout("tcp", r.master, dialTimeout)
		if err != nil {
			reset(worker)
			continue
		}
		r.carrying.Go(func() { r.carry(number, worker, master) })
	}
}

// swallow keeps a connection that was made into a blackhole until the hole is
// gone: like a SYN that is never answered, nothing comes of it.
func (r *Relay) swallow(worker net.Conn) {
	r.mu.Lock()
	for (r.blackhole[ToMaster] || r.blackhole[ToWorker]) && !r.closed {
		r.changed.Wait()
	}
	r.mu.Unlock()
	reset(worker)
}

// reset ends a connection with RST.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it may have ended by itself
	}
	_ = c.Close()
}

func (r *Relay) close() {
	r.mu.Lock()
	r.closed = true
	for _, c := range r.connections {
		c.end(false)
	}
	r.changed.Broadcast()
	r.mu.Unlock()
	_ = r.listener.Close()
	r.carrying.Wait()
	for _, err := range r.faults {
		r.t.Errorf("on the wire: %v", err)
	}
}

// Cut ends every connection as a middlebox or a dying host does: with a reset,
// or with the end of the stream.
func (r *Relay) Cut(withReset bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.connections {
		c.end(withReset)
	}
}

// Blackhole lets nothing more through in the given directions, and tells
// nobody: what is written stays in the kernels' buffers, ends of connections do
// not reach the other side, new connections get no answer.
func (r *Relay) Blackhole(directions ...Direction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, direction := range directions {
		r.blackhole[direction] = true
	}
}

// Heal ends the blackhole. Connections that one side gave up meanwhile stay
// half open on the other, where nobody tells of the end: the host is gone.
func (r *Relay) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.connections {
		if c.gone[ToMaster] != c.gone[ToWorker] {
			c.halfOpen = true
		}
	}
	r.blackhole = [2]bool{}
	r.changed.Broadcast()
}

// Forget ends the connections that Heal left half open, as a host does that is
// asked about a connection which it does not know: with a reset.
func (r *Relay) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.connections {
		if c.halfOpen {
			c.end(true)
		}
	}
}

// Judge decides about each message from now on; nil lets all pass. It is
// called on the goroutines that carry and must not call the relay.
func (r *Relay) Judge(judge func(Message) Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.judge = judge
}

// Inject sends the worker a message as if it were the master's, on the newest
// connection.
func (r *Relay) Inject(kind string, data any) {
	r.t.Helper()
	body, err := encode(kind, data, "")
	if err != nil {
		r.t.Fatalf("inject %s: %v", kind, err)
	}
	r.InjectBytes(body)
}

// InjectBytes sends the worker a frame of any content, as Inject does.
func (r *Relay) InjectBytes(body []byte) {
	r.t.Helper()
	r.mu.Lock()
	newest := r.connections[0]
	for _, c := range r.connections {
		if newest == nil || c.number > newest.number {
			newest = c
		}
	}
	r.mu.Unlock()
	if newest == nil {
		r.t.Fatal("no connection to inject a message into")
	}
	if err := newest.write(ToWorker, makeFrame(body)); err != nil {
		r.t.Fatalf("inject %d bytes: %v", len(body), err)
	}
}

// Connections is how many connections are open on both sides.
func (r *Relay) Connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	open := 0
	for _, c := range r.connections {
		if !c.gone[ToMaster] && !c.gone[ToWorker] {
			open++
		}
	}
	return open
}
