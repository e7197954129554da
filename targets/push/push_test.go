package push_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"upsurge/targets"
	"upsurge/targets/internal/targettest"
	"upsurge/targets/push"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, config push.Config) (*push.Server, func() targets.Stats) {
	t.Helper()
	if config.Binding.Listen == nil {
		config.Binding.Listen = []string{"127.0.0.1:0"}
	}
	server, err := push.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return server, targettest.Start(t, server)
}

func dial(t testing.TB, server *push.Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestFirstMessageComesOneIntervalAfterAccept(t *testing.T) {
	const interval = 120 * time.Millisecond
	server, stop := start(t, push.Config{Interval: interval, Message: "tick"})
	began := time.Now()
	c := dial(t, server)
	got := make([]byte, len("tick"))
	for count := 1; count <= 3; count++ {
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		if string(got) != "tick" {
			t.Fatalf("message %q", got)
		}
		if waited := time.Since(began); waited < time.Duration(count)*interval {
			t.Errorf("message %d came after %v, before its time", count, waited)
		}
	}
	if stats := stop(); stats.MessagesSent < 3 || stats.BytesSent != stats.MessagesSent*4 {
		t.Errorf("stats %+v", stats)
	}
}

func TestImmediate(t *testing.T) {
	server, stop := start(t, push.Config{Interval: time.Hour, Immediate: true})
	c := dial(t, server)
	got := make([]byte, 2)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != push.DefaultMessage {
		t.Fatalf("%q, %v", got, err)
	}
	if stats := stop(); stats.MessagesSent != 1 {
		t.Errorf("%d messages sent, want 1", stats.MessagesSent)
	}
}

func TestTwoThousandConnectionsAgreeWithTheBooks(t *testing.T) {
	const (
		count    = 2000
		messages = 3
		upload   = "dropped"
	)
	server, stop := start(t, push.Config{Interval: 200 * time.Millisecond, Binding: targets.Binding{Listen: []string{"127.0.0.1:0"}, Loops: 3}})
	connections := make([]net.Conn, count)
	for i := range connections {
		connections[i] = dial(t, server)
		if _, err := io.WriteString(connections[i], upload); err != nil {
			t.Fatal(err)
		}
	}
	targettest.Await(t, server, "all connections", func(s targets.Stats) bool {
		return s.Open == count && s.BytesReceived == int64(count*len(upload))
	})
	got := make([]byte, messages*2)
	for _, c := range connections {
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "okokok" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	final := stop()
	received := int64(count * messages * 2)
	for _, c := range connections {
		rest, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		received += int64(len(rest))
	}
	if final.Accepted != count || final.Closed != count || final.Open != 0 || final.Errors != 0 {
		t.Errorf("connections: %+v", final)
	}
	if final.BytesSent != received || final.MessagesSent*2 != received {
		t.Errorf("sent %d messages, %d bytes; clients received %d bytes", final.MessagesSent, final.BytesSent, received)
	}
}

func TestSlowReaderIsSkippedAndItsStreamStaysWhole(t *testing.T) {
	message := strings.Repeat("0123456789abcdef", 8<<10) // 128 KiB
	server, stop := start(t, push.Config{Interval: time.Millisecond, Message: message})
	slow, quick := dial(t, server), dial(t, server)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, quick)
	}()
	skipped := targettest.Await(t, server, "skipped messages", func(s targets.Stats) bool { return s.SlowSkipped > 50 })
	if skipped.MessagesSent == 0 {
		t.Error("nothing was sent to the quick reader")
	}
	// The stream goes on where it stood: messages are left out as a whole.
	got := make([]byte, 40*len(message))
	if _, err := io.ReadFull(slow, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, bytes.Repeat([]byte(message), 40)) {
		t.Error("the slow reader's stream is garbled")
	}
	stop()
	<-drained
}

func TestPeerThatLeavesIsClosed(t *testing.T) {
	server, _ := start(t, push.Config{Interval: time.Hour})
	c := dial(t, server)
	targettest.Await(t, server, "the connection", func(s targets.Stats) bool { return s.Open == 1 })
	_ = c.Close()
	stats := targettest.Await(t, server, "its end", func(s targets.Stats) bool { return s.Open == 0 })
	if stats.Closed != 1 || stats.Errors != 0 {
		t.Errorf("stats %+v", stats)
	}
}

func TestResetCountsAsError(t *testing.T) {
	server, _ := start(t, push.Config{Interval: time.Hour})
	c := dial(t, server)
	targettest.Await(t, server, "the connection", func(s targets.Stats) bool { return s.Open == 1 })
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	targettest.Await(t, server, "the reset", func(s targets.Stats) bool { return s.Open == 0 && s.Errors == 1 })
}

func TestValidate(t *testing.T) {
	cases := []struct {
		name   string
		config push.Config
		want   string // "" means valid
	}{
		{name: "zero value"},
		{name: "short interval", config: push.Config{Interval: time.Microsecond}, want: "interval"},
		{name: "negative interval", config: push.Config{Interval: -time.Second}, want: "interval"},
		{name: "long message", config: push.Config{Message: strings.Repeat("x", 1<<20+1)}, want: "message"},
		{name: "no port", config: push.Config{Binding: targets.Binding{Listen: []string{"localhost"}}}, want: "localhost"},
		{name: "loops", config: push.Config{Binding: targets.Binding{Loops: -1}}, want: "loops"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.config.Validate()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("Validate: %v, want %q", err, tc.want)
			}
		})
	}
}

func TestAddressInUse(t *testing.T) {
	server, _ := start(t, push.Config{})
	_, err := push.New(push.Config{Binding: targets.Binding{Listen: []string{server.Addr().String()}}})
	if err == nil || !strings.Contains(err.Error(), "another program listens there") {
		t.Errorf("second server on the same port: %v", err)
	}
}

func TestRunOnlyOnce(t *testing.T) {
	server, err := push.New(push.Config{Binding: targets.Binding{Listen: []string{"127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := server.Run(t.Context()); err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("Run after Close: %v, want an error that says so", err)
	}
	if stats := server.Stats(); stats.Accepted != 0 || stats.Processes != 1 {
		t.Errorf("stats %+v", stats)
	}
}
