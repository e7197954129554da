package httpqps_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"upsurge/tasks/httpqps"
	"upsurge/tasks/internal/stage"
	"upsurge/worker/user"
)

func TestRequestIsWhatTheOptionsSay(t *testing.T) { eachClient(t, testRequestIsWhatTheOptionsSay) }

func testRequestIsWhatTheOptionsSay(t *testing.T, client string) {
	type seen struct {
		method, path, host, agent, header, body, kind, user, encoding string
		length                                                        int64
	}
	cases := []struct {
		name   string
		prefix string // of the host, before the address
		suffix string
		set    stage.Options
		want   seen
		row    string
	}{
		{name: "plain", want: seen{method: "GET", path: "/", agent: "upsurge"}, row: "GET /"},
		{
			name: "path and query", suffix: "/base/", set: stage.Options{"http-path": "/a?b=c%20d"},
			want: seen{method: "GET", path: "/base/a?b=c%20d", agent: "upsurge"}, row: "GET /base/a?b=c%20d",
		},
		{
			name: "headers", set: stage.Options{"http-header": "x-test: one: two\n\nHost: example.org\r\nUser-Agent: me", "http-name": "named"},
			want: seen{method: "GET", path: "/", host: "example.org", agent: "me", header: "one: two"}, row: "GET named",
		},
		{
			name: "body", set: stage.Options{"http-method": "post", "http-body": `{"a":1}`, "http-payload-size": "9", "http-header": "Content-Type: application/json"},
			want: seen{method: "POST", path: "/", agent: "upsurge", body: `{"a":1}`, kind: "application/json", length: 7}, row: "POST /",
		},
		{
			name: "payload", set: stage.Options{"http-method": "PUT", "http-payload-size": "70"},
			want: seen{method: "PUT", path: "/", agent: "upsurge", body: "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_012345", kind: "application/octet-stream", length: 70}, row: "PUT /",
		},
		{
			name: "body of a GET", set: stage.Options{"http-body": "x"},
			want: seen{method: "GET", path: "/", agent: "upsurge", body: "x", length: 1}, row: "GET /",
		},
		{
			name: "user part", prefix: "anna:s%40fe@",
			want: seen{method: "GET", path: "/", agent: "upsurge", user: "anna:s@fe"}, row: "GET /",
		},
		{
			name: "own authorization wins", prefix: "anna:safe@", set: stage.Options{"http-header": "Authorization: Bearer x"},
			want: seen{method: "GET", path: "/", agent: "upsurge"}, row: "GET /",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got atomic.Pointer[seen]
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				s := seen{
					method: r.Method, path: r.RequestURI, host: r.Host, agent: r.UserAgent(), header: r.Header.Get("X-Test"),
					body: string(body), kind: r.Header.Get("Content-Type"), length: r.ContentLength, encoding: r.Header.Get("Accept-Encoding"),
				}
				if name, password, ok := r.BasicAuth(); ok {
					s.user = name + ":" + password
				}
				got.Store(&s)
			}))
			defer server.Close()
			address := server.Listener.Addr().String()
			r := visitor(t, client, "http://"+c.prefix+address+c.suffix, c.set)
			iterate(t, r, 1)
			wantFailures(t, r.Books, "")
			if c.want.host == "" {
				c.want.host = address
			}
			if *got.Load() != c.want {
				t.Errorf("the server saw %+v, want %+v", *got.Load(), c.want)
			}
			if row := r.Samples("")[0].Row; row != c.row {
				t.Errorf("row %q, want %q", row, c.row)
			}
		})
	}
}

func TestAnswersAreJudged(t *testing.T) { eachClient(t, testAnswersAreJudged) }

func testAnswersAreJudged(t *testing.T, client string) {
	cases := []struct {
		name    string
		set     stage.Options
		answer  string
		close   bool // the server closes after the answer
		failure string
		bytes   int64
		lasting bool // the connection serves the next request too
	}{
		{name: "plain", answer: okAnswer, bytes: 2, lasting: true},
		{name: "redirect", answer: "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", lasting: true},
		{name: "no content", answer: "HTTP/1.1 204 No Content\r\n\r\n", lasting: true},
		{name: "not modified", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", lasting: true},
		{name: "unavailable", answer: "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", failure: "status 503", bytes: 4, lasting: true},
		{name: "expected status", set: stage.Options{"http-expect-status": "404, 5xx"}, answer: "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", lasting: true},
		{name: "unexpected success", set: stage.Options{"http-expect-status": "404"}, answer: okAnswer, failure: "status 200", bytes: 2, lasting: true},
		{name: "expected body", set: stage.Options{"http-expect-body": "ok"}, answer: okAnswer, bytes: 2, lasting: true},
		{name: "line end after the body", set: stage.Options{"http-expect-body": "ok"}, answer: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok\r\n", bytes: 4, lasting: true},
		{name: "wrong body", set: stage.Options{"http-expect-body": "no"}, answer: okAnswer, failure: `wrong body: "ok"`, bytes: 2, lasting: true},
		{name: "short body", set: stage.Options{"http-expect-body": "okay"}, answer: okAnswer, failure: `wrong body: "ok"`, bytes: 2, lasting: true},
		{name: "long body", set: stage.Options{"http-expect-body": "o"}, answer: okAnswer, failure: `wrong body: "ok"`, bytes: 2, lasting: true},
		{name: "no body", set: stage.Options{"http-expect-body": "o"}, answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", failure: `wrong body: ""`, lasting: true},
		{
			name: "large wrong body is cut", set: stage.Options{"http-expect-body": "o"}, bytes: 100, lasting: true,
			answer:  "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("n", 100),
			failure: `wrong body: "` + strings.Repeat("n", 64) + `"`,
		},
		{name: "status before body", set: stage.Options{"http-expect-body": "no"}, answer: "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", failure: "status 500", lasting: true},
		{name: "chunked", set: stage.Options{"http-expect-body": "hello"}, answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n", bytes: 5, lasting: true},
		{name: "interim answers", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + okAnswer, bytes: 2, lasting: true},
		{name: "connection close", answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", bytes: 2},
		{name: "close in a list", answer: "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 2\r\n\r\nok", bytes: 2},
		{name: "HTTP/1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", bytes: 2},
		{name: "HTTP/1.0 that stays", answer: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", bytes: 2, lasting: true},
		{name: "body to the end", answer: "HTTP/1.0 200 OK\r\n\r\nhello", close: true, bytes: 5},
		{name: "HEAD", set: stage.Options{"http-method": "HEAD"}, answer: "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", lasting: true},
		{name: "new connection each", set: stage.Options{"http-keep-alive": "false"}, answer: okAnswer, bytes: 2},
		{name: "large header", answer: "HTTP/1.1 200 OK\r\nX-Large: " + strings.Repeat("x", 20_000) + "\r\nContent-Length: 2\r\n\r\nok", bytes: 2, lasting: true},
		{name: "more than was asked for", answer: okAnswer + okAnswer, bytes: 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var connections atomic.Int32
			host := listen(t, func(p *peer) {
				connections.Add(1)
				for p.request() {
					p.send(c.answer)
					if c.close {
						return
					}
				}
			})
			r := visitor(t, client, host, c.set)
			iterate(t, r, 3)
			wantFailures(t, r.Books, c.failure, c.failure, c.failure)
			for _, s := range r.Samples("") {
				if s.Bytes != c.bytes || s.Latency <= 0 {
					t.Errorf("sample %+v, want %d bytes and a latency", s, c.bytes)
				}
			}
			want := int32(3)
			if c.lasting {
				want = 1
			}
			if got := connections.Load(); got != want {
				t.Errorf("%d connections for 3 requests, want %d", got, want)
			}
		})
	}
}

func TestLargeBodiesAreNotHeld(t *testing.T) { eachClient(t, testLargeBodiesAreNotHeld) }

func testLargeBodiesAreNotHeld(t *testing.T, client string) {
	const size = 100 << 20
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		part := make([]byte, 64<<10)
		for range size / len(part) {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	r := visitor(t, client, server.URL, nil)
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		iterate(t, r, 1)
	}).AllocedBytesPerOp()
	wantFailures(t, r.Books, make([]string, len(r.Samples("")))...)
	if got := r.Samples("")[0].Bytes; got != size {
		t.Errorf("%d bytes, want %d", got, size)
	}
	if limit := int64(1 << 20); allocated > limit {
		t.Errorf("%d bytes allocated for a body of %d, want at most %d", allocated, size, limit)
	}
}

// A client of fasthttp would refuse what is beyond its 512th connection.
func TestManyUsersHaveAConnectionEach(t *testing.T) {
	const users, rounds = 600, 3
	clients := map[string]func(*testing.T, string, stage.Options) *stage.Books{
		"engine": func(t *testing.T, host string, set stage.Options) *stage.Books {
			s := stage.New(t, httpqps.Class(), host, with("engine", set))
			var entered []user.EventUser
			for range users {
				entered = append(entered, s.Enter())
			}
			for round := 1; round <= rounds; round++ {
				stage.Await(t, "a round of all users", func() bool { return s.Count() == users*round })
				for _, u := range entered[:users*min(rounds-round, 1)] {
					wake(s, u)
				}
			}
			return s.Books
		},
		"fasthttp": func(t *testing.T, host string, set stage.Options) *stage.Books {
			definition, books := blocking(t, host, with("fasthttp", set)), stage.NewBooks()
			var running sync.WaitGroup
			for range users {
				running.Go(func() {
					v := definition.NewUser(scope(books))
					defer v.Close()
					if err := v.Start(t.Context()); err != nil {
						t.Error(err)
					}
					for range rounds {
						if _, err := v.Iterate(t.Context()); err != nil {
							t.Error(err)
						}
					}
				})
			}
			running.Wait()
			return books
		},
	}
	for name, visitAll := range clients {
		t.Run(name, func(t *testing.T) {
			var waiting sync.WaitGroup
			waiting.Add(users)
			var connections atomic.Int32
			var seen sync.Map
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if _, again := seen.LoadOrStore(r.RemoteAddr, true); !again {
					waiting.Done()
					waiting.Wait() // until every user has a request in flight
				}
			}))
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections.Add(1)
				}
			}
			server.Start()
			defer server.Close()
			books := visitAll(t, server.URL, stage.Options{"http-timeout": "60s"})
			wantFailures(t, books, make([]string, users*rounds)...)
			if got := connections.Load(); got != users {
				t.Errorf("%d connections, want %d", got, users)
			}
		})
	}
}

func TestWaitIsWithinItsBounds(t *testing.T) {
	host := listen(t, func(p *peer) {
		for p.request() {
			p.send(okAnswer)
		}
	})
	v, _ := blockingVisitor(t, host, with("fasthttp", stage.Options{"http-wait-min": "1s", "http-wait-max": "2s"}))
	seen := map[time.Duration]bool{}
	for range 20 {
		wait, err := v.Iterate(t.Context())
		if err != nil || wait < time.Second || wait > 2*time.Second {
			t.Fatalf("wait %v, error %v; want 1s to 2s", wait, err)
		}
		seen[wait] = true
	}
	if len(seen) < 2 {
		t.Errorf("20 waits are all the same: %v", seen)
	}
}
