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

	"upsurge/worker/engine"
)

func TestTimeoutClosesItsConnection(t *testing.T) {
	closed := make(chan struct{})
	host := listen(t, func(p *peer) {
		p.request()
		p.untilClosed()
		close(closed)
	})
	const timeout = 60 * time.Millisecond
	v, r := visitor(t, host, settings{"http-timeout": timeout.String()})
	iterate(t, v, 1)
	<-closed
	wantFailures(t, r, "timeout")
	if got := r.all()[0].latency; got < timeout {
		t.Errorf("timed out after %v, want %v", got, timeout)
	}
	if !slices.Equal(r.advised, []engine.Failure{engine.Timeout}) {
		t.Errorf("advised %v", r.advised)
	}
}

// A late answer must not become that of the next request.
func TestRequestAfterTimeoutHasANewConnection(t *testing.T) {
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
	v, r := visitor(t, host, settings{"http-timeout": "300ms", "http-expect-body": "ok"})
	iterate(t, v, 1)
	close(late)
	iterate(t, v, 2)
	wantFailures(t, r, "timeout", "", "")
}

func TestFaultsOfTheServer(t *testing.T) {
	cases := []struct {
		name    string
		set     settings
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
		{name: "stalls in the body", set: settings{"http-timeout": "50ms"}, serve: func(p *peer) {
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
			v, r := visitor(t, host, c.set)
			iterate(t, v, 1)
			if got := r.all(); len(got) != 1 || !strings.HasPrefix(got[0].failure, c.failure) || got[0].bytes != c.bytes {
				t.Errorf("samples %+v, want one %q with %d bytes", got, c.failure, c.bytes)
			}
			if text := r.all()[0].failure; len(text) > 200 {
				t.Errorf("a failure of %d bytes: %s", len(text), text)
			}
		})
	}
}

// One request gives one request, whatever becomes of it.
func TestNothingIsRepeated(t *testing.T) {
	requests := make(chan int, 100)
	host := listen(t, func(p *peer) {
		if p.request() {
			requests <- p.turn
		}
	})
	v, r := visitor(t, host, nil)
	iterate(t, v, 5)
	wantFailures(t, r, slices.Repeat([]string{"server closed"}, 5)...)
	if got := len(requests); got != 5 {
		t.Errorf("%d requests at the server for 5 samples", got)
	}
}

func TestConnectionEndedAtRestIsReplaced(t *testing.T) {
	config, caFile := certified(t)
	cases := []struct {
		name   string
		scheme string
		end    func(*peer)
	}{
		{name: "closed", scheme: "http://", end: func(p *peer) { _ = p.Close() }},
		{name: "reset", scheme: "http://", end: func(p *peer) { _ = p.Conn.(*net.TCPConn).SetLinger(0); _ = p.Close() }},
		{name: "unasked answer", scheme: "http://", end: func(p *peer) {
			p.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
		}},
		{name: "secure and closed", scheme: "https://", end: func(p *peer) { _ = p.Close() }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
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
			v, r := visitor(t, c.scheme+host, settings{"http-ca-file": caFile})
			for range 3 {
				iterate(t, v, 1)
				rest <- struct{}{}
				<-ended
				// A rest long enough for the connection to be looked at;
				// longer does no harm.
				time.Sleep(5 * time.Millisecond)
			}
			wantFailures(t, r, "", "", "")
		})
	}
}

func TestUnreadRequestTimesOut(t *testing.T) {
	done := make(chan struct{})
	host := listen(t, func(*peer) { <-done })
	v, r := visitor(t, host, settings{"http-method": "POST", "http-payload-size": "67108864", "http-timeout": "100ms"})
	iterate(t, v, 1)
	close(done)
	wantFailures(t, r, "timeout")
}

func TestEarlyAnswerToAnUnreadBody(t *testing.T) {
	host := listen(t, func(p *peer) {
		if _, err := p.reader.ReadString('\n'); err != nil {
			return
		}
		p.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		// What is unread makes the close a reset.
	})
	v, r := visitor(t, host, settings{"http-method": "POST", "http-payload-size": "16777216"})
	iterate(t, v, 1)
	wantFailures(t, r, "status 413")
}

func TestDeadTargetIsNotHammered(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := listener.Addr().String()
	_ = listener.Close()
	v, r := visitor(t, host, nil)
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
	wantFailures(t, r, slices.Repeat([]string{"refused"}, 7)...)
	if !slices.Equal(r.advised, []engine.Failure{engine.Refused}) {
		t.Errorf("advised %v, want it once", r.advised)
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
	v, r := visitor(t, host, nil)
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
	wantFailures(t, r, "server closed", "server closed", "server closed", "")
}

func TestKillEndsARequestInFlight(t *testing.T) {
	arrived, closed := make(chan struct{}), make(chan struct{})
	host := listen(t, func(p *peer) {
		p.request()
		close(arrived)
		p.untilClosed()
		close(closed)
	})
	definition, err := prepared(t, host, settings{"http-timeout": "1h"})
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	v := definition.NewUser(r.scope())
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
	wantFailures(t, r)
}

func TestKillEndsAConnect(t *testing.T) {
	arrived := make(chan struct{})
	host := listen(t, func(p *peer) {
		close(arrived)
		p.untilClosed() // and no handshake
	})
	definition, err := prepared(t, "https://"+host, settings{"http-timeout": "1h"})
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	v := definition.NewUser(r.scope())
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
	wantFailures(t, r)
}

func TestHandshakeTimesOut(t *testing.T) {
	host := listen(t, (*peer).untilClosed)
	_, r := visitor(t, "https://"+host, settings{"http-timeout": "50ms"})
	wantFailures(t, r, "timeout")
}
