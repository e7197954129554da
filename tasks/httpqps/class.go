// Package httpqps is the user class HttpQpsUser: users that send one prepared
// HTTP/1.1 request after the other, each over a connection of its own.
//
// There are two clients, which behave alike; --http-client chooses. That of the
// engine, for plain HTTP, has its users on event loops: each belongs to its
// loop's goroutine, reads with a parser of our own and costs the system one
// write and one read for a request. That of fasthttp, for HTTPS and for requests
// of more than 1 MiB, has a goroutine for each user, which owns the user's
// connection. What users share, the definition, is only read once Prepare has
// returned, save for one atomic counter and a pool of buffers.
//
// Each request is one sample, whose latency runs from before the request is
// written until its answer is read. The connection is made before that and
// kept; one that the server ended at rest is replaced before the next request.
// A request that fails is not repeated, and its connection is closed. Redirects
// are not followed. After a connect that fails, and after connections that the
// server ends unanswered, a user pauses: 100 ms, doubling up to 1 s.
//
// fasthttp is used on the level of its Request and Response: its clients repeat failed requests unasked, pool connections behind a lock
// and refuse more than 512 of them to a host, none of which a load test wants.
package httpqps

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

const (
	className = "HttpQpsUser"
	userAgent = "upsurge"

	maxPayload = 64 << 20 // bytes of a generated body
	maxSpan    = 24 * time.Hour
	minTimeout = time.Millisecond
)

// Class returns the user class HttpQpsUser.
func Class() user.Class {
	return user.Class{
		Name: className,
		Help: "sends HTTP requests as fast as the answers come, or with a wait between them, over one connection per user",
		New:  func() user.Definition { return &definition{} },
	}
}

// definition is HttpQpsUser for one test: the options as they were set and
// what Prepare made of them.
type definition struct {
	options options

	// Below: set by Prepare.
	target   target
	client   string      // clientEngine or clientFasthttp
	security *tls.Config // nil for plain HTTP
	request  []byte      // header and body as they are sent, by all users
	method   string
	row      string
	statuses statusSet
	wantBody []byte // nil: anything

	engineTarget *engine.Target // of the engine's client

	// Below: of fasthttp's client.
	addresses []netip.AddrPort // at least one; users take them in turn
	dialled   atomic.Uint32    // dials so far: the turn of the next address
	buffers   sync.Pool        // of *[bodyBuffer]byte, for reading bodies
}

type options struct {
	host         string
	client       string
	method       string
	path         string
	headers      string
	body         string
	payloadSize  int
	timeout      time.Duration
	expectStatus string
	expectBody   string
	waitMin      time.Duration
	waitMax      time.Duration
	caFile       string
	insecure     bool
	name         string
	keepAlive    bool
}

// Options implements user.Definition.
func (d *definition) Options(set *user.OptionSet) {
	o := &d.options
	set.String(&o.host, "http-host", "", "target such as http://10.0.0.2:8080 or https://user:password@example.org/base; empty: the test's host")
	set.String(&o.client, "http-client", clientAuto, "engine: event loops, for plain http; fasthttp: a goroutine per user; auto: engine, but fasthttp for https and for requests of more than 1 MiB").Choices = []string{clientAuto, clientEngine, clientFasthttp}
	set.String(&o.method, "http-method", "GET", "request method")
	set.String(&o.path, "http-path", "/", "path and query, appended to the target's own path")
	set.String(&o.headers, "http-header", "", `header fields, one "Name: value" per line; \n may stand for a line's end`)
	set.String(&o.body, "http-body", "", "request body")
	set.Int(&o.payloadSize, "http-payload-size", 0, 0, maxPayload, "bytes of a generated request body, when there is no --http-body")
	set.Duration(&o.timeout, "http-timeout", 10*time.Second, minTimeout, maxSpan, "limit for a connect, TLS included, and again for a request until its answer is read")
	set.String(&o.expectStatus, "http-expect-status", "", "status codes and classes that count as success, such as 200,204,3xx; empty: 200 to 399 (redirects are not followed)")
	set.String(&o.expectBody, "http-expect-body", "", "text that the body of the answer must equal, a line end after it aside; empty: anything")
	set.Duration(&o.waitMin, "http-wait-min", 0, 0, maxSpan, "shortest wait between an answer and the next request")
	set.Duration(&o.waitMax, "http-wait-max", 0, 0, maxSpan, "longest wait between an answer and the next request")
	set.String(&o.caFile, "http-ca-file", "", "file on the worker's host with the certificates (PEM) to trust for https instead of the system's")
	set.Bool(&o.insecure, "http-insecure", false, "skip the verification of the target's certificate")
	set.String(&o.name, "http-name", "", "name in the statistics; empty: the path")
	set.Bool(&o.keepAlive, "http-keep-alive", true, "keep a user's connection; false: a new one for each request, connected before the latency starts to count")
}

// Prepare implements user.Definition: it checks the options, resolves the
// target's name and composes the request.
func (d *definition) Prepare(ctx context.Context, test user.Test) error {
	if err := d.check(test); err != nil {
		return err
	}
	addresses, err := d.resolve(ctx)
	if err != nil {
		return err
	}
	if test.Logger != nil {
		test.Logger.Debug("target resolved", slog.String("class", className),
			slog.String("host", d.target.authority()), slog.String("client", d.client), slog.Any("addresses", addresses))
	}
	return nil
}

// resolve looks the target's name up, for the client that was chosen.
func (d *definition) resolve(ctx context.Context) (addresses []netip.AddrPort, err error) {
	if d.client == clientFasthttp {
		d.buffers.New = func() any { return new([bodyBuffer]byte) }
		d.addresses, err = d.target.resolve(ctx)
		return d.addresses, err
	}
	d.engineTarget, err = engine.NewTarget(ctx, engine.TargetConfig{
		Address:        net.JoinHostPort(d.target.name, strconv.Itoa(int(d.target.port))),
		ConnectTimeout: d.options.timeout,
	})
	if err != nil {
		return nil, err
	}
	return d.engineTarget.Addresses(), nil
}

// check is the part of Prepare that needs no network. It returns all faults.
func (d *definition) check(test user.Test) error {
	o := &d.options
	var faults []error
	if o.waitMin > o.waitMax {
		faults = append(faults, fmt.Errorf("--http-wait-min=%v is more than --http-wait-max=%v: raise the latter", o.waitMin, o.waitMax))
	}
	statuses, err := parseStatuses(o.expectStatus)
	if err != nil {
		faults = append(faults, err)
	}
	host := o.host
	if host == "" {
		host = test.Host
	}
	target, err := parseTarget(host)
	if err != nil {
		return errors.Join(append(faults, err)...) // what follows needs a target
	}
	request, err := composeRequest(target, o)
	if err != nil {
		faults = append(faults, err)
	}
	var security *tls.Config
	if target.secure {
		if security, err = newSecurity(target.name, o.caFile, o.insecure); err != nil {
			faults = append(faults, err)
		}
	}
	client, err := chooseClient(o.client, target.secure, len(request))
	if err != nil {
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	d.target, d.client, d.request, d.security, d.statuses = target, client, request, security, statuses
	d.method, d.row = requestMethod(o.method), o.name
	if d.row == "" {
		d.row = target.prefix + o.path
	}
	if o.expectBody != "" {
		d.wantBody = []byte(o.expectBody)
	}
	return nil
}

// nextAddress deals the target's addresses out in turn. Any goroutine.
func (d *definition) nextAddress() netip.AddrPort {
	if len(d.addresses) == 1 {
		return d.addresses[0] // no shared counter for the usual case
	}
	return d.addresses[(d.dialled.Add(1)-1)%uint32(len(d.addresses))]
}

// wait is the time until the next request, uniform in [min, max]. Any
// goroutine.
func (d *definition) wait() time.Duration {
	if d.options.waitMax == d.options.waitMin {
		return d.options.waitMin
	}
	return d.options.waitMin + rand.N(d.options.waitMax-d.options.waitMin+1)
}
