// Package tcp is what the user classes over plain TCP share: options, the
// target, and the names of failures. The loop that a Failures belongs to owns
// it.
package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
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
}

// Declare declares the options; the host's name starts with the class's
// prefix, the others are the same option for all classes.
func (o *Options) Declare(set *user.OptionSet, prefix string) {
	set.String(&o.Host, prefix+"-host", "", "target as host:port; empty takes the test's host")
	set.Duration(&o.ConnectTimeout, "tcp-connect-timeout", 10*time.Second, time.Millisecond, time.Hour, "time for a connection to be established")
	set.String(&o.SourceIPs, "tcp-source-ips", "", "local addresses to connect from, separated by commas, used in turn; empty leaves it to the system")
}

// LeastPause is the least time before a user connects again after a failure,
// whatever its waits are: without it a dead target would get a dial from each
// user every millisecond.
const LeastPause = 100 * time.Millisecond

// Target resolves the target of a test.
func (o *Options) Target(ctx context.Context, test user.Test) (*engine.Target, error) {
	host := o.Host
	if host == "" {
		host = test.Host
	}
	address, err := address(host)
	if err != nil {
		return nil, err
	}
	sources, err := addresses(o.SourceIPs)
	if err != nil {
		return nil, err
	}
	return engine.NewTarget(ctx, engine.TargetConfig{
		Address: address, SourceAddresses: sources, ConnectTimeout: o.ConnectTimeout,
	})
}

// ErrHost says that a host is unusable.
var ErrHost = errors.New("unusable host")

// address takes host:port, alone or behind a scheme as in Locust's host
// field; a path is ignored.
func address(text string) (string, error) {
	host, port := strings.TrimSpace(text), ""
	if host == "" {
		return "", fmt.Errorf("%w: none is set; give it as host:port in the form's host field or with --host", ErrHost)
	}
	if strings.Contains(host, "://") {
		parsed, err := url.Parse(host)
		if err != nil {
			return "", fmt.Errorf("%w %q: %w", ErrHost, text, err)
		}
		host = parsed.Host
		port = map[string]string{"http": "80", "https": "443"}[parsed.Scheme]
	}
	name, given, err := net.SplitHostPort(host)
	if err != nil && port != "" {
		name, given = strings.Trim(host, "[]"), port
	} else if err != nil {
		return "", fmt.Errorf("%w %q: want host:port, such as 10.0.0.2:9001: %w", ErrHost, text, err)
	}
	if name == "" {
		return "", fmt.Errorf("%w %q: no name or address before the port", ErrHost, text)
	}
	return net.JoinHostPort(name, given), nil
}

func addresses(text string) ([]netip.Addr, error) {
	var list []netip.Addr
	for field := range strings.SplitSeq(text, ",") {
		if field = strings.TrimSpace(field); field == "" {
			continue
		}
		address, err := netip.ParseAddr(field)
		if err != nil {
			return nil, fmt.Errorf("option --tcp-source-ips: %q is not an IP address: %w", field, err)
		}
		list = append(list, address)
	}
	return list, nil
}
