//go:build goczmq

package zmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/zeromq/goczmq"
)

// Name is the build of this package: pure Go, or on libczmq.
const Name = "goczmq"

const (
	statePoll  = 50 * time.Millisecond // between looks at the connection's state
	batchSize  = 64 << 10              // bytes handed to libzmq between two looks
	sendTries  = 3                     // a send can fail without a cause, interrupted by a signal
	stateTries = 5                     // as can a look at the state
)

// link is one connection of libzmq, with a DEALER socket of its own. libzmq is
// told not to connect again: another connection is another link, so nothing
// that was meant for one can leave through the next.
//
// libzmq's sockets may not be shared: the goroutine in serve owns the DEALER
// and the bell, and a second one the rope, whose only use is to ring the bell
// while the first waits inside libzmq.
type link struct {
	dealer     *goczmq.Sock
	bell, rope *goczmq.Sock
	waiter     *goczmq.Poller // dealer and bell
	window     sendWindow
	address    string // of the master, without the port
}

// connect finds out with a connection of its own whether a ROUTER is there,
// and why not: libzmq tells neither. Then it lets libzmq connect to the same
// address and waits for the handshake. The first connection has no identity,
// so it doesn't get in the way of the second.
func connect(ctx context.Context, config Config) (*link, error) {
	probe, _, err := dial(ctx, config, "")
	if err != nil {
		return nil, err
	}
	address := probe.RemoteAddr().(*net.TCPAddr) // what a TCP connection has
	_ = probe.Close()

	l, err := newLink(config, address)
	if err == nil {
		if err = l.awaitUp(ctx, config.DialTimeout+config.HandshakeTimeout); err != nil {
			l.destroy()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("connect to master %s: %w", config.Address, err)
	}
	return l, nil
}

// newLink makes the sockets and starts to connect.
func newLink(config Config, address *net.TCPAddr) (*link, error) {
	l := &link{
		window:  sendWindow{limit: config.QueueMessages, span: config.PingInterval + config.ReadTimeout},
		address: address.IP.String(),
	}
	err := l.open(config, address)
	if err != nil {
		l.destroy()
		return nil, err
	}
	return l, nil
}

func (l *link) open(config Config, address *net.TCPAddr) (err error) {
	if l.dealer, err = newSocket(goczmq.Dealer); err != nil {
		return err
	}
	if l.bell, err = newSocket(goczmq.Pair); err != nil {
		return err
	}
	if l.rope, err = newSocket(goczmq.Pair); err != nil {
		return err
	}
	name := fmt.Sprintf("inproc://bell-%p", l)
	if _, err := l.bell.Bind(name); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := l.rope.Connect(name); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, socket := range []*goczmq.Sock{l.bell, l.dealer} {
		socket.SetOption(goczmq.SockSetRcvtimeo(0)) // see pollable
	}
	if l.waiter, err = goczmq.NewPoller(l.bell, l.dealer); err != nil {
		return fmt.Errorf("libczmq poller: %w", err)
	}
	for _, option := range dealerOptions(config, address) {
		l.dealer.SetOption(option)
	}
	// libczmq takes the endpoint for a format, and an IPv6 zone has a percent.
	return l.dealer.Connect("tcp://" + strings.ReplaceAll(address.String(), "%", "%%"))
}

// dealerOptions are what libzmq needs to know before it connects.
func dealerOptions(config Config, address *net.TCPAddr) []goczmq.SockOption {
	ipv6 := 0
	if address.IP.To4() == nil {
		ipv6 = 1
	}
	milliseconds := func(d time.Duration) int { return int(d.Milliseconds()) }
	return []goczmq.SockOption{
		goczmq.SockSetIdentity(config.Identity),
		goczmq.SockSetIpv6(ipv6),
		// Without IMMEDIATE messages queue up for a connection that isn't there,
		// and POLLOUT says nothing about it.
		goczmq.SockSetImmediate(1),
		goczmq.SockSetReconnectIvl(-1),
		goczmq.SockSetConnectTimeout(milliseconds(config.DialTimeout)),
		goczmq.SockSetHandshakeIvl(milliseconds(config.HandshakeTimeout)),
		goczmq.SockSetHeartbeatIvl(milliseconds(config.PingInterval)),
		goczmq.SockSetHeartbeatTtl(milliseconds(config.PingTTL)),
		// Counted from the PING that gets no answer, so the sum is ReadTimeout.
		goczmq.SockSetHeartbeatTimeout(milliseconds(config.ReadTimeout - config.PingInterval)),
		goczmq.SockSetSndhwm(config.QueueMessages),
		goczmq.SockSetMaxmsgsize(config.MaxFrame),
		goczmq.SockSetTcpKeepalive(0),
		goczmq.SockSetLinger(0),
	}
}

// awaitUp waits for the handshake.
func (l *link) awaitUp(ctx context.Context, limit time.Duration) error {
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if l.writable() {
			return nil
		}
		if !sleep(ctx, time.Millisecond) {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("%w: libzmq completed no handshake within %v", ErrSilent, limit)
}

// writable tells whether libzmq takes a message: there is a connection, and
// room in its queue.
func (l *link) writable() bool { return pollable(l.dealer, goczmq.Pollout) }

// readable tells whether a message is there.
func (l *link) readable() bool { return pollable(l.dealer, goczmq.Pollin) }

// pollable asks a socket for its state. libczmq gives back whatever stood in
// memory when a signal interrupted libzmq's answer, and Go's scheduler sends
// many: a no is believed when it came several times. A yes may be wrong, so no
// receive and no send may block: the sockets' receive timeout is 0.
func pollable(socket *goczmq.Sock, state int) bool {
	for range stateTries {
		if goczmq.Events(socket)&state != 0 {
			return true
		}
	}
	return false
}

// destroy gives back what exists. A queue that libzmq still holds leaves in
// the background, for as long as its linger allows.
func (l *link) destroy() {
	if l.waiter != nil {
		l.waiter.Destroy()
	}
	for _, socket := range []*goczmq.Sock{l.rope, l.bell, l.dealer} {
		if socket != nil {
			socket.Destroy()
		}
	}
}

// serve moves messages both ways until the connection ends, and returns why.
// When ctx is the reason, the queue goes to libzmq first, which has until
// Linger to send it.
func (l *link) serve(ctx context.Context, d *Dealer, epoch uint64) error {
	defer l.destroy()
	ringing, stopRinging := context.WithCancel(context.Background())
	bell := ringer{
		rope: l.rope, dealer: d, resets: make(chan string, 1), rung: make(chan struct{}, 1),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		bell.ring(ringing, ctx.Done())
	}()
	defer func() { <-ended }()
	defer stopRinging()

	o := owner{link: l, dealer: d, epoch: epoch, resets: bell.resets, rung: bell.rung, start: time.Now()}
	err := o.loop(ctx)
	if errors.Is(err, ErrStopped) {
		d.outbox.shut()
		o.finish()
	}
	o.deliver()
	return err
}

// mayBeHeld tells, once serve has returned, whether the peer may know nothing
// of the connection's end. libzmq does not say how that came, and most come
// from the peer.
func (l *link) mayBeHeld() bool { return false }

// peer is the address of the other side, without the port.
func (l *link) peer() string { return l.address }

// ringer is the goroutine that wakes the owner: inside libzmq by the rope, and
// in a select by rung.
type ringer struct {
	rope   *goczmq.Sock
	dealer *Dealer
	resets chan string   // requests, passed on to the owner; cap 1
	rung   chan struct{} // cap 1
}

// ring wakes the owner for everything that it must look at, until ringing
// ends.
func (r *ringer) ring(ringing context.Context, stopped <-chan struct{}) {
	for {
		select {
		case <-ringing.Done():
			return
		case <-stopped:
			stopped = nil
		case reason := <-r.dealer.resets:
			select {
			case r.resets <- reason:
			default:
			}
		case <-r.dealer.outbox.ready:
		}
		select {
		case r.rung <- struct{}{}:
		default:
		}
		// A ring that fails costs no more than statePoll: the owner looks anyway.
		for range sendTries {
			if r.rope.SendFrame([]byte{0}, goczmq.FlagDontWait) == nil {
				break
			}
		}
	}
}
