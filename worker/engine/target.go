package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const defaultConnectTimeout = 10 * time.Second

// TargetConfig says where to connect, from where and how.
type TargetConfig struct {
	// Address is host:port, or several of that, with commas between: connections
	// go to all of them in turn. The port may be a service's name.
	Address string
	// First is the place in that turn where this target begins. Processes that
	// share targets begin at different places, or those that come first would
	// get more connections.
	First int
	// Network is "tcp" (or empty), "tcp4" or "tcp6". With "tcp", a host that has
	// addresses of both families is reached over IPv4, unless SourceAddresses
	// are IPv6: a loop doesn't fall back from one family to the other, and a
	// server that listens on one of them only would fail every other dial.
	Network string
	// Resolver looks up the host; nil means net.DefaultResolver.
	Resolver *net.Resolver
	// SourceAddresses are used in turn as local addresses, with ports that the
	// kernel chooses per target, so that each address gives its whole range of
	// ports for every target address. They must be of one family. Empty leaves
	// the choice to the kernel.
	SourceAddresses []netip.Addr
	// ConnectTimeout ends a dial with ErrTimeout; 0 means 10 seconds.
	ConnectTimeout time.Duration
	// Nagle lets the kernel hold back small writes. It is off by default, as it
	// is for net.Dial.
	Nagle bool
}

// Target is where connections go: resolved addresses, used in turn. It doesn't
// change, and any number of loops may share it.
type Target struct {
	address  string
	remotes  []endpoint
	sources  []endpoint
	resolved []netip.AddrPort
	timeout  time.Duration
	nagle    bool
	turn     atomic.Uint64
}

// NewTarget resolves the host, once. Safe from any goroutine.
func NewTarget(ctx context.Context, config TargetConfig) (*Target, error) {
	t, err := newTarget(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("engine: target %q: %w", config.Address, err)
	}
	return t, nil
}

func newTarget(ctx context.Context, config TargetConfig) (*Target, error) {
	if config.ConnectTimeout < 0 {
		return nil, fmt.Errorf("connect timeout is %v, want 0 (%v) or more", config.ConnectTimeout, defaultConnectTimeout)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = defaultConnectTimeout
	}
	wanted, err := wantedFamily(config)
	if err != nil {
		return nil, err
	}
	resolved, err := resolveAll(ctx, config)
	if err != nil {
		return nil, err
	}
	t := &Target{address: config.Address, timeout: config.ConnectTimeout, nagle: config.Nagle}
	t.resolved = oneFamily(resolved, wanted)
	if len(t.resolved) == 0 {
		return nil, fmt.Errorf("host has no %v address that can be used (it has %v): change the host, the network or the source addresses", wanted, resolved)
	}
	for _, a := range t.resolved {
		e, err := newEndpoint(a)
		if err != nil {
			return nil, err
		}
		t.remotes = append(t.remotes, e)
	}
	for _, a := range config.SourceAddresses {
		e, err := newEndpoint(netip.AddrPortFrom(a.Unmap(), 0))
		if err != nil {
			return nil, fmt.Errorf("source address %v: %w", a, err)
		}
		t.sources = append(t.sources, e)
	}
	t.turn.Store(uint64(max(config.First, 0)))
	return t, nil
}

// String is the address that the target was made for.
func (t *Target) String() string { return t.address }

// Addresses are the resolved addresses that connections go to in turn.
func (t *Target) Addresses() []netip.AddrPort { return slices.Clone(t.resolved) }

// next is where the next connection goes and where it comes from (nil: the
// kernel's choice). Each source is used with each remote before a pair repeats.
func (t *Target) next() (remote, source endpoint) {
	turn := t.turn.Add(1) - 1
	remote = t.remotes[turn%uint64(len(t.remotes))]
	if count := uint64(len(t.sources)); count > 0 {
		source = t.sources[turn/uint64(len(t.remotes))%count]
	}
	return remote, source
}

// family is a set of IP versions.
type family string

const (
	familyAny family = "IP"
	family4   family = "IPv4"
	family6   family = "IPv6"
)

func familyOf(a netip.Addr) family {
	if a.Unmap().Is4() {
		return family4
	}
	return family6
}

// wantedFamily is the family that the configuration asks for.
func wantedFamily(config TargetConfig) (family, error) {
	var wanted family
	switch config.Network {
	case "", "tcp":
		wanted = familyAny
	case "tcp4":
		wanted = family4
	case "tcp6":
		wanted = family6
	default:
		return "", fmt.Errorf("network is %q, want tcp, tcp4 or tcp6", config.Network)
	}
	for _, a := range config.SourceAddresses {
		if !a.IsValid() {
			return "", errors.New("a source address is empty")
		}
		if wanted == familyAny {
			wanted = familyOf(a)
		}
		if familyOf(a) != wanted {
			return "", fmt.Errorf("source address %v isn't %v as the others or the network: use a target per family", a, wanted)
		}
	}
	return wanted, nil
}

// resolveAll looks up every host; addresses that come twice are kept once.
func resolveAll(ctx context.Context, config TargetConfig) ([]netip.AddrPort, error) {
	resolver := config.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	var out []netip.AddrPort
	seen := make(map[netip.AddrPort]bool)
	for address := range strings.SplitSeq(config.Address, ",") {
		found, err := resolve(ctx, resolver, address)
		if err != nil {
			return nil, err
		}
		for _, a := range found {
			if !seen[a] {
				seen[a] = true
				out = append(out, a)
			}
		}
	}
	return out, nil
}

func resolve(ctx context.Context, resolver *net.Resolver, address string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("want host:port: %w", err)
	}
	if host == "" {
		return nil, errors.New("want host:port, the host is empty")
	}
	port, err := resolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, fmt.Errorf("port %q: %w", service, err)
	}
	if port == 0 {
		return nil, errors.New("port is 0, want 1 to 65535")
	}
	ips, err := resolver.LookupIPAddr(ctx, host) // LookupNetIP loses zones
	if err != nil {
		return nil, fmt.Errorf("look up host %q (check its spelling, /etc/hosts and the DNS server): %w", host, err)
	}
	var out []netip.AddrPort
	for _, found := range ips {
		ip, ok := netip.AddrFromSlice(found.IP)
		if !ok {
			continue
		}
		out = append(out, netip.AddrPortFrom(ip.Unmap().WithZone(found.Zone), uint16(port)))
	}
	return out, nil
}

// oneFamily keeps the addresses of the wanted family; if any will do, the IPv4
// ones or else all.
func oneFamily(addresses []netip.AddrPort, wanted family) []netip.AddrPort {
	keep := func(f family) (out []netip.AddrPort) {
		for _, a := range addresses {
			if familyOf(a.Addr()) == f {
				out = append(out, a)
			}
		}
		return out
	}
	if wanted != familyAny {
		return keep(wanted)
	}
	if out := keep(family4); len(out) > 0 {
		return out
	}
	return addresses
}
