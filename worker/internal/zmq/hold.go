package zmq

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

const (
	// heldMargin is for the way of a PING that the peer got and whose answer
	// did not arrive, and for the peer's look at its timers. It is more than the
	// time between a worker's heartbeats, each of which a PING follows.
	heldMargin = 1300 * time.Millisecond
	// settleTime is for the program behind a peer's ZeroMQ: until it has read
	// what came through the old connection, its socket holds the identity. A
	// master that was frozen, or busy, begins with that only now.
	settleTime = time.Second
	// probeInterval is the time between two looks at the peer.
	probeInterval = 250 * time.Millisecond
)

// holdOff waits until the master has dropped a connection that it may still
// hold: its TTL has passed, and its ZeroMQ is seen to work. Under the same
// identity a new connection would not be heard: a ROUTER swallows its first
// message, takes it for an identity, and the program behind it understands none
// of those that follow; some releases of Locust even count the report before
// them again. With the master's process gone, there is nothing to wait for.
func (d *Dealer) holdOff(ctx context.Context) {
	until := time.Now().Add(d.config.PingTTL + heldMargin - d.Quiet())
	d.report.holding(max(0, time.Until(until)))
	for ctx.Err() == nil {
		due := !time.Now().Before(until)
		err := d.probe(ctx, due)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			d.config.OnDialError(err)
			d.report.failed(err)
			if errors.Is(err, syscall.ECONNREFUSED) {
				return
			}
		case due:
			sleep(ctx, settleTime)
			return
		}
		sleep(ctx, probeInterval)
	}
}

// probe looks whether the master is there: only its kernel, or its ZeroMQ, too.
// Without an identity a connection gets in nobody's way.
func (d *Dealer) probe(ctx context.Context, shakeHands bool) error {
	if shakeHands {
		conn, _, err := dial(ctx, d.config, "")
		if err != nil {
			return err
		}
		return conn.Close()
	}
	dialer := net.Dialer{Timeout: d.config.DialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", d.config.Address)
	if err != nil {
		return err
	}
	return conn.Close()
}
