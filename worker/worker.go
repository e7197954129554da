// Package worker is a Locust worker: it joins a master, runs the users that
// the master asks for, and reports what they did, to the last request.
//
// Run's own goroutine owns the conversation, the fleet's orders and the
// report. It never waits for a user, a loop or the network, so heartbeats go
// out under any load.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"upsurge/worker/internal/fleet"
	"upsurge/worker/internal/host"
	"upsurge/worker/internal/proto"
	"upsurge/worker/internal/session"
	"upsurge/worker/internal/stats"
	"upsurge/worker/internal/zmq"
	"upsurge/worker/logbook"
	"upsurge/worker/result"
	"upsurge/worker/user"
)

// Transport is the name of the ZeroMQ transport in this build.
const Transport = zmq.Name

// Config is what a worker needs. The zero value of a field means its default;
// Classes has none.
type Config struct {
	MasterHost string // default 127.0.0.1
	MasterPort int    // default 5557
	// Identity is the worker's id at the master; default: the host's name, "_"
	// and 32 random hex digits. Two workers must never share one.
	Identity string
	Classes  []user.Class
	Loops    int // event loops; default: one for each core
	// Share is the place of this worker among the processes that one command
	// started, which divide the test's source addresses; default: it is alone.
	Share  user.Share
	Logger *slog.Logger
	// Logbook holds the lines that Logger wrote, for the master's Logs tab;
	// default: an empty one.
	Logbook *logbook.Book
	// OnResult takes the worker's own sums at the end of each test.
	OnResult func(result.Result)
	// OnMessage takes the messages of a locustfile's own that the master
	// sends, on Run's goroutine: it must not block. nil ignores them.
	OnMessage func(Message)
}

// ErrSilent says that the master stopped answering on a connection that
// lives: its process is there but hears nobody.
var ErrSilent = errors.New("the master has not answered for a minute although the connection lives; its message loop has probably died, see its log")

func (c Config) normalised() (Config, error) {
	var faults []error
	if c.MasterHost == "" {
		c.MasterHost = "127.0.0.1"
	}
	if err := checkHost(c.MasterHost); err != nil {
		faults = append(faults, err)
	}
	if c.MasterPort == 0 {
		c.MasterPort = 5557
	}
	if c.MasterPort < 0 || c.MasterPort > 65535 {
		faults = append(faults, fmt.Errorf("master port %d: want 1 to 65535", c.MasterPort))
	}
	if c.Loops < 0 {
		faults = append(faults, fmt.Errorf("loops %d: want 0 (one for each core) or more", c.Loops))
	}
	if len(c.Classes) == 0 {
		faults = append(faults, errors.New("no user classes: a worker without any can run no test"))
	}
	if c.Identity == "" {
		c.Identity = newIdentity()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Logbook == nil {
		c.Logbook = logbook.New()
	}
	if c.OnResult == nil {
		c.OnResult = func(result.Result) {}
	}
	return c, errors.Join(faults...)
}

// checkHost finds what can never be a host: with it the worker would dial for
// ever, as it does while a master is not there yet.
func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if strings.ContainsAny(host, ":/[] \t\r\n") {
		return fmt.Errorf("master host %q: want a name or an address alone, without scheme, brackets or port", host)
	}
	return nil
}

// Worker is one registration at a master. Make one with New, run it once.
type Worker struct {
	config     Config
	dealer     *zmq.Dealer
	fleet      *fleet.Fleet
	machine    *session.Machine
	sampler    *host.Sampler
	exceptions *exceptions
	refused    chan struct{}
	custom     chan proto.WorkerCustom

	epoch      uint64
	wasRefused bool   // a dial since the last connection found nobody listening
	peer       string // the address of the last connection
	unsent     stats.Report
	flight     inFlight     // sent on this connection, perhaps not arrived
	total      stats.Report // of the test
	test       test
	goal       goal
	collecting bool // a collection is under way
	discarding int  // collections whose samples are thrown away
	logsSent   uint64
	clearing   clearing
	left       bool
	err        error
}

// New checks the configuration and makes the worker's loops and transport.
func New(config Config) (*Worker, error) {
	config, err := config.normalised()
	if err != nil {
		return nil, err
	}
	w := &Worker{
		config: config, machine: session.New(session.Times{}),
		exceptions: newExceptions(), refused: make(chan struct{}, 1),
		custom: make(chan proto.WorkerCustom, customLimit),
	}
	if w.sampler, err = host.New("", config.Loops); err != nil {
		return nil, fmt.Errorf("reading this process's CPU and memory use: %w", err)
	}
	w.dealer, err = zmq.New(zmq.Config{
		Address:  net.JoinHostPort(config.MasterHost, strconv.Itoa(config.MasterPort)),
		Identity: config.Identity, Logger: config.Logger, OnDialError: w.dialFailed,
	})
	if err != nil {
		return nil, err
	}
	w.fleet, err = fleet.New(fleet.Config{
		Loops: config.Loops, Classes: config.Classes, Logger: config.Logger, Share: config.Share, Exception: w.exceptions.queue,
	})
	if err != nil {
		return nil, err
	}
	// Reports from before the first test are sent, too, and have a time.
	w.test.origin = w.fleet.Clock().Wall(0)
	return w, nil
}

// tickEvery is how often the conversation looks at the clock.
const tickEvery = 50 * time.Millisecond

// Run joins the master and works for it until it says quit, or until ctx
// ends: then the worker ends its users, reports all that they did, and says
// goodbye. It returns nil after either, and when it returns no goroutine,
// connection or descriptor of the worker is left.
func (w *Worker) Run(ctx context.Context) error {
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	transportAlive, hangUp := context.WithCancel(alive)
	defer hangUp()
	fleetEnded, transportEnded := make(chan error, 1), make(chan error, 1)
	go func() { fleetEnded <- w.fleet.Run(alive) }()
	go func() { transportEnded <- w.dealer.Run(transportAlive) }()

	w.converse(ctx, fleetEnded)

	hangUp()                               // the transport hands on what is queued, then closes
	for event := range w.dealer.Events() { // the transport waits until they are taken
		if event.Kind == zmq.Down {
			w.takeBack(event.Delivered)
		}
	}
	w.sayLost()
	err := errors.Join(w.err, <-transportEnded)
	stop()
	select {
	case fleetErr := <-fleetEnded:
		err = errors.Join(err, fleetErr)
	case <-time.After(endLimit):
		err = errors.Join(err, errors.New("the event loops did not end"))
	}
	waitUsers, cancel := context.WithTimeout(context.WithoutCancel(ctx), endLimit)
	defer cancel()
	return errors.Join(err, w.fleet.WaitUsers(waitUsers))
}

// endLimit bounds the wait for what must end by itself at once.
const endLimit = 5 * time.Second

// converse runs until the worker has left.
func (w *Worker) converse(ctx context.Context, fleetEnded chan error) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	asked := ctx.Done()
	for !w.left {
		select {
		case event := <-w.dealer.Events():
			w.transportEvent(event)
		case <-w.refused:
			w.wasRefused = true
		case report := <-w.custom:
			if !w.send(report) {
				w.config.Logger.Warn("a message of the user's own to the master was lost", "type", report.Type)
			}
		case <-w.fleet.Changed():
			w.fleetChanged()
		case preparation := <-w.fleet.Prepared():
			w.fleet.Open(preparation)
		case part := <-w.fleet.Parts():
			w.received(part)
		case <-ticker.C:
			w.tick()
		case <-asked:
			asked = nil
			w.config.Logger.Info("leaving", "state", w.machine.State().String())
			w.perform(w.machine.Step(w.now(), session.LeaveAsked))
		case err := <-fleetEnded:
			w.err = fmt.Errorf("the event loops ended early: %w", err)
			fleetEnded <- nil
			w.left = true
		}
	}
}

func (w *Worker) now() time.Duration { return w.fleet.Clock().Now() }

func (w *Worker) tick() {
	now := w.now()
	if w.clearing.active && now > w.clearing.limit && !w.stillClearing(now) {
		w.config.Logger.Error("users did not end in time; going on without them", "users", w.fleet.Late())
		w.clearing.abandoned = true
	}
	w.perform(w.machine.Tick(now, w.alive()))
	w.forwardExceptions()
	w.fleetChanged()
}

// stillClearing says that users go on leaving, if late: a host with many worker
// processes has more to do than the limit is made for. The limit then starts
// anew.
func (w *Worker) stillClearing(now time.Duration) bool {
	remaining := w.fleet.Remaining()
	if w.clearing.abandoned || remaining >= w.clearing.left {
		return false
	}
	w.clearing.left, w.clearing.limit = remaining, now+lateLimit
	return true
}

// alive says whether the master's host was heard lately, if only its PONG.
func (w *Worker) alive() bool { return w.dealer.Quiet() < 7*time.Second }

func (w *Worker) transportEvent(event zmq.Event) {
	switch event.Kind {
	case zmq.Up:
		w.epoch = event.Epoch
		select {
		case <-w.refused:
			w.wasRefused = true
		default:
		}
		// A name that leads elsewhere leads to another master, as it does when
		// a container is replaced, although nobody refused a connection.
		moved := w.peer != "" && event.Peer != w.peer
		gone := w.wasRefused || moved
		w.wasRefused, w.peer = false, event.Peer
		w.perform(w.machine.Up(w.now(), gone))
	case zmq.Down:
		w.takeBack(event.Delivered)
		w.machine.Down(w.now(), event.Quiet)
	case zmq.Message:
		w.message(event.Data)
	}
	// With a master that answers heartbeats the conversation notices that it
	// is not heard. The others would misread a second connection.
	w.dealer.Hasty(w.machine.Echoes())
}
