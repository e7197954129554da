package httpqps_test

import (
	"bytes"
	"io"
	"maps"
	"net"
	"testing"
	"time"

	"upsurge/tasks/httpqps"
	"upsurge/tasks/internal/stage"
	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// discard is a recorder that keeps nothing and allocates nothing.
type discard struct{}

func (discard) Row(string, string) user.Row                                      { return 0 }
func (discard) Failure(string) user.Failure                                      { return 0 }
func (discard) Success(user.Row, time.Duration, time.Duration, int64)            {}
func (discard) Fail(user.Row, time.Duration, time.Duration, int64, user.Failure) {}
func (discard) Exception(string, string)                                         {}

// silentHost answers each request without allocating: requests in these tests
// are never cut by the kernel, for there is one in flight at a time.
func silentHost(t testing.TB, answer string) string {
	return listen(t, func(p *peer) {
		buffer, text, end := make([]byte, 4096), []byte(answer), []byte("\r\n\r\n")
		for {
			n, err := p.Read(buffer)
			if err != nil || !bytes.HasSuffix(buffer[:n], end) {
				return
			}
			if _, err := p.Write(text); err != nil {
				return
			}
		}
	})
}

var costCases = []struct {
	name   string
	set    stage.Options
	answer string
}{
	{name: "plain", answer: "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/plain\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"},
	{name: "chunked", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{name: "expected", set: stage.Options{"http-expect-body": "ok", "http-expect-status": "2xx"}, answer: okAnswer},
	{name: "failing", answer: "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"},
}

func silentVisitor(t testing.TB, set stage.Options, answer string) user.BlockingUser {
	all := scope(stage.NewBooks())
	all.Recorder = discard{}
	v := blocking(t, silentHost(t, answer), with("fasthttp", set)).NewUser(all)
	t.Cleanup(func() { _ = v.Close() })
	if err := v.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRequestsAllocateNothing(t *testing.T) {
	for _, c := range costCases {
		t.Run("fasthttp "+c.name, func(t *testing.T) {
			v := silentVisitor(t, c.set, c.answer)
			ctx := t.Context()
			if got := testing.AllocsPerRun(500, func() { _, _ = v.Iterate(ctx) }); got != 0 {
				t.Errorf("%v allocations per request", got)
			}
		})
		t.Run("engine "+c.name, func(t *testing.T) {
			s, u := loopVisitor(t, c.set, func(p *peer) {
				p.request()
				p.send(c.answer)
				p.untilClosed()
			})
			answer, before := []byte(c.answer), s.Count()
			var got float64
			s.Do(func() {
				// Nobody reads the requests: few enough for the kernel's buffers.
				got = testing.AllocsPerRun(500, func() { u.(engine.Handler).OnData(nil, answer) })
			})
			if got != 0 {
				t.Errorf("%v allocations per request", got)
			}
			if recorded := s.Count() - before; recorded != 501 {
				t.Errorf("%d requests recorded for 501 answers", recorded)
			}
		})
	}
}

// loopVisitor is a user without waits that has had its first answer and waits
// for the second.
func loopVisitor(t testing.TB, set stage.Options, serve func(*peer)) (*stage.Stage, user.EventUser) {
	all := stage.Options{"http-wait-max": "0s"}
	maps.Copy(all, set)
	s := stage.New(t, httpqps.Class(), listen(t, serve), with("engine", all))
	u := s.Enter()
	stage.Await(t, "the first answer", func() bool { return s.Count() > 0 })
	return s, u
}

func BenchmarkRequest(b *testing.B) {
	for _, c := range costCases {
		b.Run("fasthttp/"+c.name, func(b *testing.B) {
			v := silentVisitor(b, c.set, c.answer)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				_, _ = v.Iterate(ctx)
			}
		})
	}
}

// BenchmarkAnswer is what the engine's client does with an answer, and its next
// request, which is the kernel's time for the most part.
func BenchmarkAnswer(b *testing.B) {
	for _, c := range costCases {
		b.Run(c.name, func(b *testing.B) {
			s, u := loopVisitor(b, c.set, func(p *peer) {
				p.request()
				p.send(c.answer)
				p.untilClosed()
			})
			answer := []byte(c.answer)
			s.Do(func() {
				b.ReportAllocs()
				for b.Loop() {
					u.(engine.Handler).OnData(nil, answer)
				}
			})
		})
	}
}

// BenchmarkRoundTrip is what BenchmarkRequest is to be held against: the same
// bytes to and fro with no HTTP at all.
func BenchmarkRoundTrip(b *testing.B) {
	conn, err := net.Dial("tcp", silentHost(b, okAnswer))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	request, answer := []byte("GET / HTTP/1.1\r\nUser-Agent: upsurge\r\nHost: 127.0.0.1:12345\r\n\r\n"), make([]byte, len(okAnswer))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, answer); err != nil {
			b.Fatal(err)
		}
	}
}
