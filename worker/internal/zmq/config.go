// Package zmq carries bytes between a worker and the ROUTER socket of a
// Locust master, as a ZeroMQ DEALER. It keeps one connection, dials again
// when that ends, and says when it is up and down. It knows nothing of what
// the messages mean.
//
// Two builds stand behind one interface. The default one speaks ZMTP 3.1 by
// itself and needs no C library; with the build tag goczmq the same Dealer
// runs on libczmq. Name tells which one this is.
//
// The goroutine that calls Run owns the connection. Send, Flush and Reset are
// safe from any goroutine.
package zmq

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of Config that come from the protocol.
const (
	maxIdentity = 255                    // ZMTP 3.1: identity = 0*255OCTET
	ttlUnit     = 100 * time.Millisecond // ZMTP 3.1: ping-ttl counts tenths of a second
	maxTTL      = 65535 * ttlUnit        // ping-ttl has 16 bits
	maxMaxFrame = 1 << 30                // libczmq takes the limit as a C int
)

// Config says where the master is and how patient to be. Zero means the
// default for every field except Address and Identity.
type Config struct {
	// Address is host:port of the master's worker port (5557 in Locust). The
	// name is resolved again for every dial.
	Address string
	// Identity is the routing id that the master's ROUTER knows this worker
	// by: 1 to 255 bytes of valid UTF-8 without NUL. Two live connections must
	// not share one: the master reads nothing from the second.
	Identity string
	// Logger gets one record for each change of state. Default: none.
	Logger *slog.Logger
	// OnDialError is called on Run's goroutine after every attempt that failed,
	// so that the caller can show why there is no connection. It must not block.
	OnDialError func(error)

	DialTimeout      time.Duration // TCP connect, name resolution included; default 3s
	HandshakeTimeout time.Duration // whole ZMTP handshake; default 3s
	BackoffMin       time.Duration // first pause between attempts; default 100ms
	BackoffMax       time.Duration // longest pause, before jitter; default 1s
	PingInterval     time.Duration // between PINGs on a quiet connection; default 2s
	// PingTTL is how long the master keeps a connection that fell silent. It
	// must not exceed ReadTimeout: the master has to drop the old connection
	// before this side dials with the same identity. Default 6s.
	PingTTL     time.Duration
	ReadTimeout time.Duration // silence after which a connection is given up; default 8s
	Linger      time.Duration // longest flush when Run ends, and wait for the peer's FIN; default 500ms

	QueueMessages int // messages waiting to be written; default 1000
	QueueBytes    int // bytes waiting to be written; default 64 MiB
	MaxFrame      int // longest message in either direction, up to 1 GiB; default 64 MiB
}

// withDefaults returns the configuration with every zero replaced.
func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.OnDialError == nil {
		c.OnDialError = func(error) {}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.DialTimeout, 3 * time.Second},
		{&c.HandshakeTimeout, 3 * time.Second},
		{&c.BackoffMin, 100 * time.Millisecond},
		{&c.BackoffMax, time.Second},
		{&c.PingInterval, 2 * time.Second},
		{&c.PingTTL, 6 * time.Second},
		{&c.ReadTimeout, 8 * time.Second},
		{&c.Linger, 500 * time.Millisecond},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, n := range []struct {
		field *int
		value int
	}{
		{&c.QueueMessages, 1000},
		{&c.QueueBytes, 64 << 20},
		{&c.MaxFrame, 64 << 20},
	} {
		if *n.field == 0 {
			*n.field = n.value
		}
	}
	return c
}

// validate reports every fault of a configuration that has its defaults.
func (c Config) validate() error {
	return errors.Join(c.checkPeer(), c.checkTimes(), c.checkLimits())
}

// checkPeer checks the two ends' names.
func (c Config) checkPeer() error {
	var faults []error
	host, port, err := net.SplitHostPort(c.Address)
	switch number, numberErr := strconv.ParseUint(port, 10, 16); {
	case err != nil:
		faults = append(faults, fmt.Errorf("master address %q: %w; use host:port", c.Address, err))
	case host == "":
		faults = append(faults, fmt.Errorf("master address %q has no host; use host:port", c.Address))
	case numberErr != nil || number == 0:
		faults = append(faults, fmt.Errorf("master address %q: port must be a number from 1 to 65535", c.Address))
	}
	switch {
	case c.Identity == "" || len(c.Identity) > maxIdentity:
		faults = append(faults, fmt.Errorf("identity has %d bytes; it must have 1 to %d", len(c.Identity), maxIdentity))
	case !utf8.ValidString(c.Identity) || strings.ContainsRune(c.Identity, 0):
		faults = append(faults, fmt.Errorf("identity %q must be valid UTF-8 without NUL", c.Identity))
	}
	return errors.Join(faults...)
}

// checkTimes checks the time limits, alone and against each other.
func (c Config) checkTimes() error {
	var faults []error
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"DialTimeout", c.DialTimeout},
		{"HandshakeTimeout", c.HandshakeTimeout},
		{"BackoffMin", c.BackoffMin},
		{"PingInterval", c.PingInterval},
		{"Linger", c.Linger},
	} {
		if d.value < time.Millisecond {
			faults = append(faults, fmt.Errorf("%s is %v; it must be at least 1ms", d.name, d.value))
		}
	}
	if c.BackoffMax < c.BackoffMin {
		faults = append(faults, fmt.Errorf("BackoffMax %v is below BackoffMin %v", c.BackoffMax, c.BackoffMin))
	}
	if c.PingTTL < ttlUnit || c.PingTTL > maxTTL {
		faults = append(faults, fmt.Errorf("PingTTL is %v; it must be from %v to %v", c.PingTTL, ttlUnit, maxTTL))
	}
	if c.PingInterval >= c.PingTTL || c.PingTTL > c.ReadTimeout {
		faults = append(faults, fmt.Errorf("PingInterval %v must be below PingTTL %v, and that at most ReadTimeout %v",
			c.PingInterval, c.PingTTL, c.ReadTimeout))
	}
	return errors.Join(faults...)
}

// checkLimits checks the sizes.
func (c Config) checkLimits() error {
	var faults []error
	if c.QueueMessages < 0 || c.QueueBytes < 0 {
		faults = append(faults, fmt.Errorf("QueueMessages %d and QueueBytes %d must not be negative",
			c.QueueMessages, c.QueueBytes))
	}
	if c.MaxFrame < 0 || c.MaxFrame > maxMaxFrame {
		faults = append(faults, fmt.Errorf("MaxFrame is %d; it must be from 1 to %d", c.MaxFrame, maxMaxFrame))
	}
	return errors.Join(faults...)
}
