package httpqps_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"upsurge/tasks/internal/stage"
	"upsurge/worker/engine"
)

func TestTimeoutClosesItsConnection(t *testing.T) { eachClient(t, testTimeoutClosesItsConnection) }

func testTimeoutClosesItsConnection(t *testing.T, client string) {
	closed := make(chan struct{})
	host := listen(t, func(p *peer) {
		p.request()
		p.untilClosed()
		close(closed)
	})
	const timeout = 60 * time.Millisecond
	r := visitor(t, client, host, stage.Options{"http-timeout": timeout.String()})
	iterate(t, r, 1)
	<-closed
	wantFailures(t, r.Books, "timeout")
	if got := r.Samples("")[0].Latency; got < timeout {
		t.Errorf("timed out after %v, want %v", got, timeout)
	}
	if !slices.Equal(r.Advised(), []engine.Failure{engine.Timeout}) {
		t.Errorf("advised %v", r.Advised())
	}
}

// A late answer must not become that of the next request.
func TestRequestAfterTimeoutHasANewConnection(t *testing.T) {
	eachClient(t, testRequestAfterTimeoutHasANewConnection)
}

func testRequestAfterTimeoutHasANewConnection(t *testing.T, client string) {
	late := make(chan struct{})
	host := listen(t, func(p *peer) {
		for p.request() {
			if p.turn == 1 {
				<-late
				p.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
				p.untilClosed()
				return
			}
			p.send(okAnswer)
		}
	})
	r := visitor(t, client, host, stage.Options{"http-timeout": "300ms", "http-expect-body": "ok"})
	iterate(t, r, 1)
	close(late)
	iterate(t, r, 2)
	wantFailures(t, r.Books, "timeout", "", "")
}

func TestFaultsOfTheServer(t *testing.T) { eachClient(t, testFaultsOfTheServer) }

func testFaultsOfTheServer(t *testing.T, client string) {
	cases := []struct {
		name    string
		set     stage.Options
		serve   func(*peer)
		failure string // a prefix
		bytes   int64
	}{
		{name: "closes without an answer", serve: func(*peer) {}, failure: "server closed"},
		{name: "closes in the header", serve: func(p *peer) { p.send("HTTP/1.1 200 O") }, failure: "server closed"},
		{name: "closes in the body", serve: func(p *peer) { p.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc") }, failure: "server closed", bytes: 3},
		{name: "closes between chunks", serve: func(p *peer) { p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n") }, failure: "server closed", bytes: 3},
		{name: "closes in the trailer", serve: func(p *peer) { p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n") }, failure: "server closed", bytes: 3},
		{name: "resets", serve: func(p *peer) { _ = p.Conn.(*net.TCPConn).SetLinger(0) }, failure: "reset"},
		{name: "garbage", serve: func(p *peer) { p.send("220 smtp.example.org ready\r\n") }, failure: "malformed response: "},
		{name: "bad length", serve: func(p *peer) { p.send("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n") }, failure: "malformed response: "},
		{name: "bad chunk", serve: func(p *peer) { p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n") }, failure: "malformed response: "},
		{name: "endless header", serve: func(p *peer) {
			p.send("HTTP/1.1 200 OK\r\n")
			for range 20 {
				p.send("X-Large: " + strings.Repeat("x", 8<<10) + "\r\n")
			}
		}, failure: "malformed response: its header is larger than 65536 bytes"},
		{name: "announces too much", serve: func(p *peer) {
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741825\r\n\r\n")
		}, failure: "malformed response: its body is larger than 1073741824 bytes"},
		{name: "stalls in the body", set: stage.Options{"http-timeout": "50ms"}, serve: func(p *peer) {
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
			p.untilClosed()
		}, failure: "timeout", bytes: 3},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			host := listen(t, func(p *peer) {
				if p.request() {
					c.serve(p)
				}
			})
			r := visitor(t, client, host, c.set)
			iterate(t, r, 1)
			if got := r.Samples(""); len(got) != 1 || !strings.HasPrefix(got[0].Failure, c.failure) || got[0].Bytes != c.bytes {
				t.Errorf("samples %+v, want one %q with %d bytes", got, c.failure, c.bytes)
			}
			if text := r.Samples("")[0].Failure; len(text) > 200 {
				t.Errorf("a failure of %d bytes: %s", len(text), text)
			}
		})
	}
}

// One request gives one request, whatever becomes of it.
func TestNothingIsRepeated(t *testing.T) { eachClient(t, testNothingIsRepeated) }

func testNothingIsRepeated(t *testing.T, client string) {
	requests := make(chan int, 100)
	host := listen(t, func(p *peer) {
		if p.request() {
			requests <- p.turn
		}
	})
	r := visitor(t, client, host, nil)
	iterate(t, r, 5)
	wantFailures(t, r.Books, slices.Repeat([]string{"server closed"}, 5)...)
	if got := len(requests); got != 5 {
		t.Errorf("%d requests at the server for 5 samples", got)
	}
}

func TestConnectionEndedAtRestIsReplaced(t *testing.T) {
	config, caFile := certified(t)
	closed := func(p *peer) { _ = p.Close() }
	reset := func(p *peer) { _ = p.Conn.(*net.TCPConn).SetLinger(0); _ = p.Close() }
	unasked := func(p *peer) { p.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n") }
	cases := []struct {
		name, client, scheme string
		end                  func(*peer)
	}{
		{name: "closed", client: "engine", scheme: "http://", end: closed},
		{name: "reset", client: "engine", scheme: "http://", end: reset},
		{name: "unasked answer", client: "engine", scheme: "http://", end: unasked},
		{name: "closed", client: "fasthttp", scheme: "http://", end: closed},
		{name: "reset", client: "fasthttp", scheme: "http://", end: reset},
		{name: "unasked answer", client: "fasthttp", scheme: "http://", end: unasked},
		{name: "closed", client: "fasthttp", scheme: "https://", end: closed},
	}
	for _, c := range cases {
		t.Run(c.client+" "+c.scheme+" "+c.name, func(t *testing.T) {
			rest, ended := make(chan struct{}), make(chan struct{})
			host := listen(t, func(p *peer) {
				if c.scheme == "https://" {
					p = p.over(tls.Server(p.Conn, config))
				}
				if !p.request() {
					return
				}
				p.send(okAnswer)
				<-rest
				c.end(p)
				ended <- struct{}{}
				p.untilClosed()
			})
			r := visitor(t, c.client, c.scheme+host, stage.Options{"http-ca-file": caFile})
			for range 3 {
				iterate(t, r, 1)
				rest <- struct{}{}
				<-ended
				r.rest(t)
			}
			wantFailures(t, r.Books, "", "", "")
		})
	}
}

// largePayload is more than the kernel takes at once, or nearly as much as the
// client sends.
var largePayload = map[string]string{"engine": "1048000", "fasthttp": "67108864"}

func TestUnreadRequestTimesOut(t *testing.T) { eachClient(t, testUnreadRequestTimesOut) }

func testUnreadRequestTimesOut(t *testing.T, client string) {
	done := make(chan struct{})
	host := listen(t, func(*peer) { <-done })
	r := visitor(t, client, host, stage.Options{"http-method": "POST", "http-payload-size": largePayload[client], "http-timeout": "100ms"})
	iterate(t, r, 1)
	close(done)
	wantFailures(t, r.Books, "timeout")
}

func TestEarlyAnswerToAnUnreadBody(t *testing.T) { eachClient(t, testEarlyAnswerToAnUnreadBody) }

func testEarlyAnswerToAnUnreadBody(t *testing.T, client string) {
	host := listen(t, func(p *peer) {
		if _, err := p.reader.ReadString('\n'); err != nil {
			return
		}
		p.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		// What is unread makes the close a reset.
	})
	r := visitor(t, client, host, stage.Options{"http-method": "POST", "http-payload-size": largePayload[client]})
	iterate(t, r, 1)
	wantFailures(t, r.Books, "status 413")
}

func TestDeadTargetIsNotHammered(t *testing.T) {
	v, books := blockingVisitor(t, stage.Unused(t), with("fasthttp", nil))
	var pauses []time.Duration
	for range 7 {
		pause, err := v.Iterate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pauses = append(pauses, pause)
	}
	const ms = time.Millisecond
	if want := []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1000 * ms, 1000 * ms, 1000 * ms}; !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
	// The first round only waits out the failure of Start.
	wantFailures(t, books, slices.Repeat([]string{"refused"}, 7)...)
	if !slices.Equal(books.Advised(), []engine.Failure{engine.Refused}) {
		t.Errorf("advised %v, want it once", books.Advised())
	}
}

// A server that ends every connection unanswered is as good as dead, but one
// such connection says nothing.
func TestBarrenConnectionsPause(t *testing.T) {
	host := listen(t, func(p *peer) {
		if p.request() && p.turn == 4 {
			p.send(okAnswer)
		}
	})
	v, books := blockingVisitor(t, host, with("fasthttp", nil))
	var pauses []time.Duration
	for range 4 {
		pause, err := v.Iterate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pauses = append(pauses, pause)
	}
	const ms = time.Millisecond
	if want := []time.Duration{0, 100 * ms, 200 * ms, 0}; !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
	wantFailures(t, books, "server closed", "server closed", "server closed", "")
}

func TestKillEndsARequestInFlight(t *testing.T) {
	arrived, closed := make(chan struct{}), make(chan struct{})
	host := listen(t, func(p *peer) {
		p.request()
		close(arrived)
		p.untilClosed()
		close(closed)
	})
	books := stage.NewBooks()
	v := blocking(t, host, with("fasthttp", stage.Options{"http-timeout": "1h"})).NewUser(scope(books))
	ctx, cancel := context.WithCancel(t.Context())
	if err := v.Start(ctx); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := v.Iterate(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	<-closed
	wantFailures(t, books)
}

func TestKillEndsAConnect(t *testing.T) {
	arrived := make(chan struct{})
	host := listen(t, func(p *peer) {
		close(arrived)
		p.untilClosed() // and no handshake
	})
	books := stage.NewBooks()
	v := blocking(t, "https://"+host, stage.Options{"http-timeout": "1h"}).NewUser(scope(books))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if err := v.Start(ctx); err != nil {
		t.Errorf("a killed user is no exception: %v", err)
	}
	if _, err := v.Iterate(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	wantFailures(t, books)
}

func TestHandshakeTimesOut(t *testing.T) {
	host := listen(t, (*peer).untilClosed)
	r := visitor(t, "fasthttp", "https://"+host, stage.Options{"http-timeout": "50ms"})
	wantFailures(t, r.Books, "timeout")
}
