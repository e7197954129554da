package zmq

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// eventBuffer lets a burst of messages pass without a switch of goroutines for
// each.
const eventBuffer = 64

// Dealer is a ZeroMQ DEALER socket with one peer. Make one with New and call
// Run once.
type Dealer struct {
	config  Config
	outbox  *outbox
	report  *reporter
	events  chan Event
	resets  chan string // cap 1: a second request while one waits says nothing new
	started atomic.Bool
	heard   atomic.Pointer[time.Time] // when the peer was last heard
	// delivered counts the messages of this connection that have arrived.
	delivered atomic.Uint64
	hasty     atomic.Bool
}

// New checks the configuration and returns a Dealer that does nothing until
// Run. The error joins every fault it finds.
func New(config Config) (*Dealer, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("transport configuration: %w", err)
	}
	return &Dealer{
		config: config,
		outbox: newOutbox(config),
		report: newReporter(config),
		events: make(chan Event, eventBuffer),
		resets: make(chan string, 1),
	}, nil
}

// Run connects to the master and stays connected, dialing again for as long
// as it takes, until ctx ends. Then it hands on what was queued, within
// Config.Linger, closes the connection in order and returns nil. It also
// closes Events. Every goroutine and descriptor of the Dealer is gone when it
// returns, and it returns only after the consumer took the events.
func (d *Dealer) Run(ctx context.Context) error {
	if d.started.Swap(true) {
		return errRunTwice
	}
	defer close(d.events)
	defer holdLibrary()()
	pauses := newBackoff(d.config)
	for ctx.Err() == nil {
		pause := time.Duration(0)
		connection, err := connect(ctx, d.config)
		switch {
		case err == nil:
			lasted, err := d.use(ctx, connection)
			if lasted {
				pauses.reset()
			}
			if connection.mayBeHeld() && (!d.hasty.Load() || errors.Is(err, ErrSilent)) {
				d.holdOff(ctx)
			}
			pause = max(pauses.pause(), minPause)
		case ctx.Err() == nil:
			d.config.OnDialError(err)
			d.report.failed(err)
			pause = pauses.pause()
		}
		if !sleep(ctx, pause) {
			break
		}
	}
	return nil
}

// use sends and receives on a new connection until it ends, and says why it
// did. It tells whether it lasted long enough to count as healthy.
func (d *Dealer) use(ctx context.Context, connection *link) (lasted bool, end error) {
	// A request that came while there was no connection is fulfilled.
	select {
	case <-d.resets:
	default:
	}
	start := time.Now()
	d.hear()
	d.delivered.Store(0)
	epoch := d.outbox.begin()
	d.report.up(epoch)
	d.events <- Event{Kind: Up, Epoch: epoch, Peer: connection.peer()}
	err := connection.serve(ctx, d, epoch)
	d.outbox.drop()
	lasted = time.Since(start) >= d.config.healthyAfter()
	d.report.down(err, lasted)
	d.events <- Event{Kind: Down, Epoch: epoch, Err: err, Delivered: d.delivered.Load(), Quiet: d.Quiet()}
	return lasted, err
}

// Events returns the channel on which the Dealer tells what happens. The
// consumer must read until it is closed, which Run does when it returns: a
// consumer that stops reading stops the connection, and nothing is thrown
// away. For each epoch it gives Up, the Messages in order, then Down.
//
// A message that the peer sends in more than one frame is left out, as Locust
// sends single frames only; the log says so once for each connection.
func (d *Dealer) Events() <-chan Event { return d.events }

// Send queues a copy of b, as one frame, for the connection of that epoch. It
// never blocks. It returns ErrNotConnected without a connection, ErrStale when
// the epoch is over, ErrQueueFull when the peer doesn't keep up, or
// ErrTooLarge. A nil error says queued, not delivered: see Delivered. Safe from
// any goroutine.
func (d *Dealer) Send(epoch uint64, b []byte) error { return d.outbox.send(epoch, b) }

// Flush waits until everything that was sent on that epoch before the call has
// been handed to the kernel (in the goczmq build: to libzmq, which sends it
// at once). It returns ErrNotConnected or ErrStale when the connection ended
// first, or the cause of the end of ctx. Safe from any goroutine.
func (d *Dealer) Flush(ctx context.Context, epoch uint64) error { return d.outbox.flush(ctx, epoch) }

// Delivered is how many messages of the present connection, in the order of
// Send, are proved to have reached the peer; Event has the last word on a
// connection that ended. The proof is the answer to the PING behind them: it
// says that the peer's ZeroMQ has read them and will hand them to the program
// even if the connection ends, unless the program ends first. The goczmq build
// does not see the answers and counts what it handed to libzmq: there a
// message can be counted and still be lost. Safe from any goroutine.
func (d *Dealer) Delivered() uint64 { return d.delivered.Load() }

// Quiet is the time since anything was heard from the peer: a message, an
// answer to a PING, or the handshake. Before the first connection it is the
// time since the year 1. The goczmq build does not see the answers to PINGs
// and counts its checks of the connection instead. Safe from any goroutine.
func (d *Dealer) Quiet() time.Duration {
	if heard := d.heard.Load(); heard != nil {
		return time.Since(*heard)
	}
	return time.Since(time.Time{})
}

// hear notes that the peer was heard.
func (d *Dealer) hear() {
	now := time.Now()
	d.heard.Store(&now)
}

// Hasty says whether to dial again at once after a RST, although that may have
// come from a firewall between the two, and the master may hold the connection
// still. The default is to wait until the master has dropped it, PingTTL after
// the last sign of life. A consumer that finds out by itself whether it is
// heard, and sends no second message before, is better off in haste. Safe from
// any goroutine.
func (d *Dealer) Hasty(hasty bool) { d.hasty.Store(hasty) }

// Reset drops the connection, waits long enough for the master to notice, and
// dials again. What is queued is lost. The reason appears in the log and in
// the Down event. Without a connection it does nothing: the next one is on its
// way. Safe from any goroutine; it does not wait.
func (d *Dealer) Reset(reason string) {
	select {
	case d.resets <- reason:
	default:
	}
}
