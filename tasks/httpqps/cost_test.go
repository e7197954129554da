package httpqps_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

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
	set    settings
	answer string
}{
	{name: "plain", answer: "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/plain\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"},
	{name: "chunked", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{name: "expected", set: settings{"http-expect-body": "ok", "http-expect-status": "2xx"}, answer: okAnswer},
	{name: "failing", answer: "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"},
}

func silentVisitor(t testing.TB, set settings, answer string) user.BlockingUser {
	definition, err := prepared(t, silentHost(t, answer), set)
	if err != nil {
		t.Fatal(err)
	}
	scope := (&recorder{}).scope()
	scope.Recorder = discard{}
	v := definition.NewUser(scope)
	t.Cleanup(func() { _ = v.Close() })
	if err := v.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRequestsAllocateNothing(t *testing.T) {
	for _, c := range costCases {
		t.Run(c.name, func(t *testing.T) {
			v := silentVisitor(t, c.set, c.answer)
			ctx := t.Context()
			if got := testing.AllocsPerRun(500, func() { _, _ = v.Iterate(ctx) }); got != 0 {
				t.Errorf("%v allocations per request", got)
			}
		})
	}
}

func BenchmarkRequest(b *testing.B) {
	for _, c := range costCases {
		b.Run(c.name, func(b *testing.B) {
			v := silentVisitor(b, c.set, c.answer)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				_, _ = v.Iterate(ctx)
			}
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
