package echo_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"upsurge/targets"
	"upsurge/targets/echo"
	"upsurge/targets/internal/targettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, loops int) (*echo.Server, func() targets.Stats) {
	t.Helper()
	server, err := echo.New(echo.Config{Binding: targets.Binding{Listen: []string{"127.0.0.1:0"}, Loops: loops}})
	if err != nil {
		t.Fatal(err)
	}
	return server, targettest.Start(t, server)
}

func dial(t testing.TB, server *echo.Server) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

func TestTwoThousandConnectionsAgreeWithTheBooks(t *testing.T) {
	const (
		count   = 2000
		rounds  = 3
		message = "twenty bytes of echo"
	)
	server, stop := start(t, 3)
	connections := make([]*net.TCPConn, count)
	for i := range connections {
		connections[i] = dial(t, server)
	}
	got := make([]byte, len(message))
	for range rounds {
		for _, c := range connections {
			if _, err := io.WriteString(c, message); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range connections {
			if _, err := io.ReadFull(c, got); err != nil || string(got) != message {
				t.Fatalf("%q, %v", got, err)
			}
		}
	}
	// Everything was received, so everything must be in the books: now, not
	// eventually.
	stats := server.Stats()
	want := targets.Counters{
		Accepted: count, Open: count,
		MessagesSent: count * rounds, MessagesReceived: count * rounds,
		BytesSent: count * rounds * int64(len(message)), BytesReceived: count * rounds * int64(len(message)),
	}
	if stats.Counters != want {
		t.Errorf("stats %+v\nwant  %+v", stats.Counters, want)
	}
	want.Open, want.Closed = 0, count
	if final := stop(); final.Counters != want {
		t.Errorf("final %+v\nwant  %+v", final.Counters, want)
	}
}

func TestPeerThatDoesNotReadIsHeldBack(t *testing.T) {
	const (
		size = 24 << 20
		// What may lie between the two counts: one read.
		bound = 64 << 10
	)
	server, stop := start(t, 1)
	c := dial(t, server)
	sent := make([]byte, size)
	random := rand.NewChaCha8([32]byte{7})
	_, _ = random.Read(sent)
	var writing sync.WaitGroup
	writing.Go(func() {
		if _, err := c.Write(sent); err != nil {
			t.Errorf("write: %v", err)
		}
	})
	check := func() targets.Stats {
		stats := server.Stats()
		if kept := stats.BytesReceived - stats.BytesSent; kept < 0 || kept > bound {
			t.Fatalf("%d bytes are kept for one connection, want at most %d", kept, bound)
		}
		return stats
	}
	targettest.Await(t, server, "some echo", func(targets.Stats) bool { return check().BytesSent > 0 })
	got := make([]byte, size)
	for from := 0; from < size; {
		n, err := c.Read(got[from:min(size, from+1<<20)])
		if err != nil {
			t.Fatal(err)
		}
		from += n
		check()
	}
	writing.Wait()
	if !bytes.Equal(got, sent) {
		t.Error("the echo differs from what was sent")
	}
	if final := stop(); final.BytesSent != size || final.BytesReceived != size {
		t.Errorf("final %+v", final.Counters)
	}
}

func TestEchoBeforeEndOfStream(t *testing.T) {
	server, _ := start(t, 1)
	c := dial(t, server)
	if _, err := io.WriteString(c, "last words"); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "last words" {
		t.Errorf("%q, %v", got, err)
	}
	targettest.Await(t, server, "the close", func(s targets.Stats) bool { return s.Open == 0 && s.Errors == 0 })
}
