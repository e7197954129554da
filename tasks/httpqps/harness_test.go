package httpqps_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"upsurge/tasks/httpqps"
	"upsurge/worker/engine"
	"upsurge/worker/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sample is one call of Success or Fail.
type sample struct {
	row     string
	latency time.Duration
	bytes   int64
	failure string // empty: success
}

// recorder keeps every sample.
type recorder struct {
	mu       sync.Mutex
	rows     []string
	failures []string
	samples  []sample
	advised  []engine.Failure
}

var _ user.Recorder = (*recorder)(nil)

func number(texts *[]string, text string) int32 {
	if i := slices.Index(*texts, text); i >= 0 {
		return int32(i)
	}
	*texts = append(*texts, text)
	return int32(len(*texts) - 1)
}

func (r *recorder) Row(method, name string) user.Row {
	r.mu.Lock()
	defer r.mu.Unlock()
	return user.Row(number(&r.rows, method+" "+name))
}

func (r *recorder) Failure(text string) user.Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	return user.Failure(number(&r.failures, text))
}

func (r *recorder) Success(row user.Row, _, latency time.Duration, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = append(r.samples, sample{row: r.rows[row], latency: latency, bytes: bytes})
}

func (r *recorder) Fail(row user.Row, _, latency time.Duration, bytes int64, failure user.Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = append(r.samples, sample{row: r.rows[row], latency: latency, bytes: bytes, failure: r.failures[failure]})
}

func (r *recorder) Exception(message, _ string) { panic("unexpected exception: " + message) }

func (r *recorder) all() []sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.samples)
}

func (r *recorder) scope() user.Scope {
	return user.Scope{
		Recorder: r,
		Clock:    engine.NewClock(),
		Logger:   slog.New(slog.DiscardHandler),
		Advise: func(f engine.Failure) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.advised = append(r.advised, f)
		},
	}
}

type settings map[string]string

// prepared is a definition with its options set, or the error of Prepare.
func prepared(t testing.TB, host string, set settings) (user.BlockingDefinition, error) {
	t.Helper()
	definition := httpqps.Class().New().(user.BlockingDefinition)
	var options user.OptionSet
	definition.Options(&options)
	for name, value := range set {
		option := options.Lookup(name)
		if option == nil {
			t.Fatalf("there is no option %s", name)
		}
		if err := option.Set(value); err != nil {
			t.Fatal(err)
		}
	}
	return definition, definition.Prepare(t.Context(), user.Test{Host: host})
}

// visitor is a started user and its recorder. It is closed with the test.
func visitor(t testing.TB, host string, set settings) (user.BlockingUser, *recorder) {
	t.Helper()
	definition, err := prepared(t, host, set)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	v := definition.NewUser(r.scope())
	t.Cleanup(func() { _ = v.Close() })
	if err := v.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v, r
}

// iterate does n rounds without the waits between them.
func iterate(t testing.TB, v user.BlockingUser, n int) {
	t.Helper()
	for range n {
		if _, err := v.Iterate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// failuresOf are the failure texts of the samples in order, "" for successes.
func failuresOf(r *recorder) []string {
	var texts []string
	for _, s := range r.all() {
		texts = append(texts, s.failure)
	}
	return texts
}

func wantFailures(t testing.TB, r *recorder, want ...string) {
	t.Helper()
	if got := failuresOf(r); !slices.Equal(got, want) {
		t.Errorf("failures %q, want %q", got, want)
	}
}

// peer is the server's end of one connection in the tests of faults.
type peer struct {
	net.Conn
	reader *bufio.Reader
	turn   int // 1 for the first connection
}

// over is the peer with TLS, say, above its connection.
func (p *peer) over(conn net.Conn) *peer {
	return &peer{Conn: conn, reader: bufio.NewReader(conn), turn: p.turn}
}

// request reads one request and returns false at the end of the connection.
func (p *peer) request() bool {
	request, err := http.ReadRequest(p.reader)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, request.Body)
	return err == nil
}

func (p *peer) send(text string) { _, _ = io.WriteString(p.Conn, text) }

// untilClosed returns when the other end has closed.
func (p *peer) untilClosed() { _, _ = io.Copy(io.Discard, p.reader) }

// listen serves each connection with serve, on a goroutine, and closes it when
// serve returns. The test ends when every serve has.
func listen(t testing.TB, serve func(*peer)) (host string) {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for turn := 1; ; turn++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				serve(&peer{Conn: conn, reader: bufio.NewReader(conn), turn: turn})
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
