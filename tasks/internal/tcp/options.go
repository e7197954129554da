// Package tcp is what the user classes over plain TCP share: options, the
// target, and the names of failures. The loop that a Failures belongs to owns
// it.
package tcp

import (
	"context"
	"strings"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// Options are declared by every class over TCP.
type Options struct {
	Host           string
	ConnectTimeout time.Duration
	SourceIPs      string
	InFlight       int
	room           room
}

// Declare declares the options; the host's name starts with the class's
// prefix, the others are the same option for all classes.
func (o *Options) Declare(set *user.OptionSet, prefix string) {
	set.String(&o.Host, prefix+"-host", "", "target as host:port, or several: a comma between, or ranges as in 10.0.0.1-4:9000-9003; empty takes the test's host")
	set.Duration(&o.ConnectTimeout, "tcp-connect-timeout", 10*time.Second, time.Millisecond, time.Hour, "time for a connection to be established")
	set.String(&o.SourceIPs, "tcp-source-ips", "", "local addresses to connect from, divided over the worker's processes: a list with commas, ranges (10.0.0.10-20), networks (10.0.1.0/28); empty leaves it to the system")
	set.Int(&o.InFlight, "tcp-connects-in-flight", 0, 0, 1_000_000, "most connects under way at a time on each event loop; 0 sets no limit")
}

// LeastPause is the least time before a user connects again after a failure,
// whatever its waits are: without it a dead target would get a dial from each
// user every millisecond.
const LeastPause = 100 * time.Millisecond

// Target resolves the targets of a test, for this process's share of the
// source addresses.
func (o *Options) Target(ctx context.Context, test user.Test) (*engine.Target, error) {
	host := o.Host
	if host == "" {
		host = test.Host
	}
	addresses, err := hosts(host)
	if err != nil {
		return nil, err
	}
	all, err := sources(o.SourceIPs)
	if err != nil {
		return nil, err
	}
	own, err := divide(all, test.Share)
	if err != nil {
		return nil, err
	}
	target, err := engine.NewTarget(ctx, engine.TargetConfig{
		Address: strings.Join(addresses, ","), SourceAddresses: own, ConnectTimeout: o.ConnectTimeout,
		First: test.Share.Index,
	})
	if err != nil {
		return nil, err
	}
	o.room = room{sources: len(own), ports: localPorts(), targets: len(target.Addresses()), share: test.Share}
	return target, nil
}

// Capacity is how many connections this process's local ports allow, and the
// arithmetic; see user.Limited. Call it after Target.
func (o *Options) Capacity() (connections int, why string) {
	return o.room.connections(), o.room.String()
}
