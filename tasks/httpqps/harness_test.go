package httpqps_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"upsurge/tasks/httpqps"
	"upsurge/tasks/internal/stage"
	"upsurge/worker/engine"
	"upsurge/worker/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clients are what --http-client chooses from; what they have in common is
// tested with each.
var clients = []string{"engine", "fasthttp"}

func eachClient(t *testing.T, test func(t *testing.T, client string)) {
	for _, client := range clients {
		t.Run(client, func(t *testing.T) { test(t, client) })
	}
}

// untouched is longer than any test: what waits for it does not come.
const untouched = "24h"

// with adds the client to options. Users of the engine's rest after each
// request, for the test to begin the next, unless the options set a wait.
func with(client string, set stage.Options) stage.Options {
	all := stage.Options{"http-client": client}
	if _, waits := set["http-wait-max"]; client == "engine" && !waits {
		all["http-wait-min"], all["http-wait-max"] = untouched, untouched
	}
	maps.Copy(all, set)
	return all
}

// visit is one user and the books of what it records.
type visit struct {
	*stage.Books
	iterate func(testing.TB) // one round, without the wait after it
	// rest returns when the user knows that its connection was ended.
	rest func(testing.TB)
}

// visitor is a user that leaves with the test. One on an event loop starts
// with its first round.
func visitor(t testing.TB, client, host string, set stage.Options) *visit {
	t.Helper()
	if client == "engine" {
		return loopVisit(stage.New(t, httpqps.Class(), host, with(client, set)))
	}
	v, books := blockingVisitor(t, host, with(client, set))
	return &visit{Books: books, iterate: func(t testing.TB) {
		t.Helper()
		if _, err := v.Iterate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}, rest: func(testing.TB) {
		// Long enough for the connection to be looked at before its next use;
		// longer does no harm.
		time.Sleep(5 * time.Millisecond)
	}}
}

func loopVisit(s *stage.Stage) *visit {
	var entered user.EventUser
	return &visit{Books: s.Books, iterate: func(t testing.TB) {
		t.Helper()
		before := s.Count()
		if entered == nil {
			entered = s.Enter()
		} else {
			wake(s, entered)
		}
		stage.Await(t, "the end of the round", func() bool { return s.Count() > before })
		s.Do(func() {}) // the callback that recorded has returned
	}, rest: func(t testing.TB) {
		t.Helper()
		stage.Await(t, "the end of the connection", func() bool { return s.Loop.Counts().Open == 0 })
	}}
}

// wake ends a user's rest.
func wake(s *stage.Stage, u user.EventUser) { s.Do(func() { u.(engine.Expirer).OnTimer(nil) }) }

func scope(books *stage.Books) user.Scope {
	return user.Scope{
		Recorder: books, Clock: engine.NewClock(), Advise: books.Advise,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// blocking is a definition with users on goroutines.
func blocking(t testing.TB, host string, set stage.Options) user.BlockingDefinition {
	t.Helper()
	definition, err := stage.Define(t, httpqps.Class(), host, set)
	if err != nil {
		t.Fatal(err)
	}
	return definition.(user.BlockingDefinition)
}

// blockingVisitor is a started user and its books.
func blockingVisitor(t testing.TB, host string, set stage.Options) (user.BlockingUser, *stage.Books) {
	t.Helper()
	books := stage.NewBooks()
	v := blocking(t, host, set).NewUser(scope(books))
	t.Cleanup(func() { _ = v.Close() })
	if err := v.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v, books
}

// iterate does n rounds without the waits between them.
func iterate(t testing.TB, v *visit, n int) {
	t.Helper()
	for range n {
		v.iterate(t)
	}
}

// failuresOf are the failure texts of the samples in order, "" for successes.
func failuresOf(books *stage.Books) []string {
	var texts []string
	for _, s := range books.Samples("") {
		texts = append(texts, s.Failure)
	}
	return texts
}

func wantFailures(t testing.TB, books *stage.Books, want ...string) {
	t.Helper()
	if got := failuresOf(books); !slices.Equal(got, want) {
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
