package zmq_test

import (
	"strings"
	"testing"
	"time"

	"upsurge/worker/internal/zmq"
)

func TestConfigFaults(t *testing.T) {
	good := zmq.Config{Address: "localhost:5557", Identity: "host_1"}
	for _, c := range []struct {
		name   string
		change func(*zmq.Config)
		want   []string // in the error; empty: no error
	}{
		{name: "defaults", change: func(*zmq.Config) {}},
		{name: "IPv6", change: func(c *zmq.Config) { c.Address = "[fe80::1%eth0]:5557" }},
		{name: "longest identity", change: func(c *zmq.Config) { c.Identity = strings.Repeat("é", 127) + "x" }},
		{name: "no port", change: func(c *zmq.Config) { c.Address = "localhost" }, want: []string{"localhost", "host:port"}},
		{name: "no host", change: func(c *zmq.Config) { c.Address = ":5557" }, want: []string{"no host"}},
		{name: "port 0", change: func(c *zmq.Config) { c.Address = "localhost:0" }, want: []string{"1 to 65535"}},
		{name: "port too high", change: func(c *zmq.Config) { c.Address = "localhost:65536" }, want: []string{"1 to 65535"}},
		{name: "no identity", change: func(c *zmq.Config) { c.Identity = "" }, want: []string{"1 to 255"}},
		{name: "long identity", change: func(c *zmq.Config) { c.Identity = strings.Repeat("x", 256) }, want: []string{"256"}},
		{name: "leading NUL", change: func(c *zmq.Config) { c.Identity = "\x00x" }, want: []string{"NUL"}},
		{name: "inner NUL", change: func(c *zmq.Config) { c.Identity = "x\x00y" }, want: []string{"NUL"}},
		{name: "not UTF-8", change: func(c *zmq.Config) { c.Identity = "\xff" }, want: []string{"UTF-8"}},
		{name: "negative time", change: func(c *zmq.Config) { c.DialTimeout = -1 }, want: []string{"DialTimeout"}},
		{name: "backoff order", change: func(c *zmq.Config) { c.BackoffMax = time.Millisecond }, want: []string{"BackoffMax"}},
		{name: "TTL above the deadline", change: func(c *zmq.Config) { c.PingTTL = time.Minute }, want: []string{"PingTTL"}},
		{name: "TTL below the interval", change: func(c *zmq.Config) { c.PingInterval = 16 * time.Second }, want: []string{"PingInterval"}},
		{
			name: "TTL has 16 bits", want: []string{"PingTTL", "1h49m13.5s"},
			change: func(c *zmq.Config) { c.PingTTL, c.ReadTimeout = 3*time.Hour, 4*time.Hour },
		},
		{name: "frame limit", change: func(c *zmq.Config) { c.MaxFrame = 1<<30 + 1 }, want: []string{"MaxFrame"}},
		{name: "queue", change: func(c *zmq.Config) { c.QueueMessages = -1 }, want: []string{"QueueMessages"}},
		{
			name: "all at once", want: []string{"host:port", "1 to 255", "Linger"},
			change: func(c *zmq.Config) { *c = zmq.Config{Linger: -1} },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := good
			c.change(&config)
			_, err := zmq.New(config)
			if (err != nil) != (len(c.want) > 0) {
				t.Fatalf("New: %v", err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not mention %q", err, part)
				}
			}
		})
	}
}

func TestKindNames(t *testing.T) {
	for kind, want := range map[zmq.Kind]string{
		zmq.Up: "up", zmq.Down: "down", zmq.Message: "message", 0: "unknown",
	} {
		if got := kind.String(); got != want {
			t.Errorf("kind %d is %q, want %q", kind, got, want)
		}
	}
}
