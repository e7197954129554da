package engine_test

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"upsurge/worker/engine"
)

func addresses(texts ...string) (out []netip.Addr) {
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}

func TestNewTarget(t *testing.T) {
	cases := []struct {
		name   string
		config engine.TargetConfig
		want   string // the address
		fault  string // or a part of the error
	}{
		{name: "IPv4", config: engine.TargetConfig{Address: "127.0.0.1:80"}, want: "127.0.0.1:80"},
		{name: "IPv6", config: engine.TargetConfig{Address: "[::1]:80"}, want: "[::1]:80"},
		{name: "IPv4 within IPv6", config: engine.TargetConfig{Address: "[::ffff:127.0.0.1]:80"}, want: "127.0.0.1:80"},
		{name: "service", config: engine.TargetConfig{Address: "127.0.0.1:http"}, want: "127.0.0.1:80"},
		{name: "IPv4 first", config: engine.TargetConfig{Address: "localhost:80"}, want: "127.0.0.1:80"},
		{name: "numbered zone", config: engine.TargetConfig{Address: "[fe80::1%1]:80"}, want: "[fe80::1%1]:80"},
		{
			name:   "sources",
			config: engine.TargetConfig{Address: "127.0.0.1:80", Network: "tcp4", SourceAddresses: addresses("127.0.0.2", "::ffff:127.0.0.3")},
			want:   "127.0.0.1:80",
		},
		{name: "empty", fault: "want host:port"},
		{name: "no port", config: engine.TargetConfig{Address: "localhost"}, fault: "want host:port"},
		{name: "no host", config: engine.TargetConfig{Address: ":80"}, fault: "host is empty"},
		{name: "port 0", config: engine.TargetConfig{Address: "127.0.0.1:0"}, fault: "port is 0"},
		{name: "port too large", config: engine.TargetConfig{Address: "127.0.0.1:65536"}, fault: "65536"},
		{name: "no such service", config: engine.TargetConfig{Address: "127.0.0.1:no-such-service"}, fault: "no-such-service"},
		{name: "unknown host", config: engine.TargetConfig{Address: "no-such-host.invalid:80"}, fault: `host "no-such-host.invalid"`},
		{name: "network", config: engine.TargetConfig{Address: "127.0.0.1:80", Network: "udp"}, fault: `"udp"`},
		{name: "wrong family", config: engine.TargetConfig{Address: "127.0.0.1:80", Network: "tcp6"}, fault: "no IPv6 address"},
		{
			name:   "sources of another family",
			config: engine.TargetConfig{Address: "127.0.0.1:80", SourceAddresses: addresses("::1")},
			fault:  "no IPv6 address",
		},
		{
			name:   "sources of both families",
			config: engine.TargetConfig{Address: "127.0.0.1:80", SourceAddresses: addresses("127.0.0.2", "::1")},
			fault:  "::1",
		},
		{
			name:   "empty source",
			config: engine.TargetConfig{Address: "127.0.0.1:80", SourceAddresses: []netip.Addr{{}}},
			fault:  "source address is empty",
		},
		{name: "timeout", config: engine.TargetConfig{Address: "127.0.0.1:80", ConnectTimeout: -time.Second}, fault: "-1s"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			target, err := engine.NewTarget(ctx, c.config)
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) || !strings.Contains(err.Error(), c.config.Address) {
					t.Fatalf("error %v, want one that names %q and the target", err, c.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := target.Addresses(); len(got) != 1 || got[0].String() != c.want {
				t.Errorf("resolved to %v, want %v", got, c.want)
			}
			if target.String() != c.config.Address {
				t.Errorf("called %q, want %q", target, c.config.Address)
			}
		})
	}
}

func TestTargetOfSeveralAddresses(t *testing.T) {
	got := target(t, engine.TargetConfig{Address: "127.0.0.1:80,127.0.0.2:81,127.0.0.1:80,127.0.0.1:82"}).Addresses()
	want := []netip.AddrPort{
		netip.MustParseAddrPort("127.0.0.1:80"), netip.MustParseAddrPort("127.0.0.2:81"), netip.MustParseAddrPort("127.0.0.1:82"),
	}
	if !slices.Equal(got, want) {
		t.Errorf("resolved to %v, want each once: %v", got, want)
	}
	if _, err := engine.NewTarget(t.Context(), engine.TargetConfig{Address: "127.0.0.1:80,127.0.0.2"}); err == nil || !strings.Contains(err.Error(), "want host:port") {
		t.Errorf("error %v, want one about the second address", err)
	}
}

// Connections go to all targets in turn, and each process begins at its own.
func TestTargetsTakeTurns(t *testing.T) {
	arrived := make(chan int, 1)
	var list []string
	for number := range 3 {
		list = append(list, serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
			arrived <- number
			swallow(c)
		}))
	}
	for first := range 4 {
		l := one(t)
		several := target(t, engine.TargetConfig{Address: strings.Join(list, ","), First: first})
		for i := range 4 {
			var c engine.Conn
			dial(t, l, &c, several, &handler{})
			if got, want := receive(t, arrived, "accept"), (first+i)%3; got != want {
				t.Errorf("beginning at %d, connection %d went to target %d, want %d", first, i, got, want)
			}
		}
	}
}
