package httpd_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"upsurge/targets"
	"upsurge/targets/httpd"
	"upsurge/targets/internal/targettest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp keeps the current date ready for the life of the process.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func start(t testing.TB, loops int) (*httpd.Server, func() targets.Stats) {
	t.Helper()
	server, err := httpd.New(httpd.Config{Binding: targets.Binding{Listen: []string{"127.0.0.1:0"}, Loops: loops}})
	if err != nil {
		t.Fatal(err)
	}
	return server, targettest.Start(t, server)
}

func dial(t testing.TB, server *httpd.Server) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

func get(target string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: target\r\n\r\n"
}

// readResponses reads all responses until the end of the stream, or count of
// them.
func readResponses(t testing.TB, r *bufio.Reader, count int, method string) []string {
	t.Helper()
	var responses []string
	for len(responses) != count {
		response, err := http.ReadResponse(r, &http.Request{Method: method})
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("response %d: %v", len(responses)+1, err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Fatalf("body %d: %v", len(responses)+1, err)
		}
		text := fmt.Sprintf("%d %s", response.StatusCode, body)
		if len(body) > 100 {
			text = fmt.Sprintf("%d %d bytes", response.StatusCode, len(body))
		}
		if response.Close {
			text += " close"
		}
		responses = append(responses, strings.ReplaceAll(text, "\n", ""))
	}
	return responses
}

type conversation struct {
	name     string
	send     string
	method   string   // of the requests; "" means GET
	want     []string // status, body, "close"
	closes   bool     // the server ends the stream
	requests int64
	errors   int64
}

var conversations = []conversation{
	{name: "plain", send: get("/"), want: []string{"200 ok"}, requests: 1},
	{name: "size", send: get("/?size=5"), want: []string{"200 abcde"}, requests: 1},
	{name: "size zero", send: get("/?size=0"), want: []string{"200 "}, requests: 1},
	{name: "streamed size", send: get("/?size=1000003") + get("/"), want: []string{"200 1000003 bytes", "200 ok"}, requests: 2},
	{name: "status", send: get("/?status=503"), want: []string{"503 ok"}, requests: 1},
	{name: "no content", send: get("/?status=204&size=9") + get("/"), want: []string{"204 ", "200 ok"}, requests: 2},
	{name: "delay", send: get("/?delay=20ms") + get("/?delay=1ms&size=3") + get("/"), want: []string{"200 ok", "200 abc", "200 ok"}, requests: 3},
	{name: "close path", send: get("/close"), want: []string{"200 ok close"}, closes: true, requests: 1},
	{name: "close parameter after size", send: get("/?close=1&size=100000"), want: []string{"200 100000 bytes close"}, closes: true, requests: 1},
	{name: "close after delay", send: get("/?close=1&delay=5ms"), want: []string{"200 ok close"}, closes: true, requests: 1},
	{name: "client closes", send: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", want: []string{"200 ok close"}, closes: true, requests: 1},
	{name: "client closes, in a list", send: "GET / HTTP/1.1\r\nHost: a\r\nConnection: TE, Close\r\n\r\n", want: []string{"200 ok close"}, closes: true, requests: 1},
	{name: "nothing after close is answered", send: get("/close") + get("/"), want: []string{"200 ok close"}, closes: true, requests: 1},
	{name: "http/1.0", send: "GET / HTTP/1.0\r\n\r\n", want: []string{"200 ok close"}, closes: true, requests: 1},
	{name: "http/1.0 keep-alive", send: "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get("/"), want: []string{"200 ok", "200 ok"}, requests: 2},
	{name: "head", send: strings.Replace(get("/?size=77"), "GET", "HEAD", 1), method: "HEAD", want: []string{"200 "}, requests: 1},
	{name: "head of a large body", send: strings.Replace(get("/?size=777777"), "GET", "HEAD", 1), method: "HEAD", want: []string{"200 "}, requests: 1},
	{name: "body", send: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world" + get("/"), want: []string{"200 ok", "200 ok"}, requests: 2},
	{name: "body and empty line", send: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\r\n" + get("/"), want: []string{"200 ok", "200 ok"}, requests: 2},
	{name: "chunked", send: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00A;x=y\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n" + get("/?size=1"), want: []string{"200 ok", "200 a"}, requests: 2},
	{name: "bare LF", send: "GET / HTTP/1.1\nHost: a\n\n", want: []string{"400 malformed request head close"}, closes: true, errors: 1},
	{name: "bad parameter", send: get("/?size=many") + get("/"), want: []string{`400 size="many": must be a number from 0 to 1073741824`, "200 ok"}, requests: 2},
	{name: "unknown parameter", send: get("/?cache=1&&x&size=2"), want: []string{"200 ab"}, requests: 1},
	{name: "garbage", send: "\x16\x03\x01 what is this\r\n\r\n", want: []string{"400 malformed request head close"}, closes: true, errors: 1},
	{name: "garbage after a request", send: get("/") + "nonsense\r\n\r\n", want: []string{"200 ok", "400 malformed request head close"}, closes: true, requests: 1, errors: 1},
	{name: "no host", send: "GET / HTTP/1.1\r\n\r\n", want: []string{"400 malformed request head close"}, closes: true, errors: 1},
	{name: "head too large", send: "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 17<<10), want: []string{"431 request head too large close"}, closes: true, errors: 1},
	{name: "body too large", send: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16777217\r\n\r\n", want: []string{"413 request body too large close"}, closes: true, errors: 1},
	{name: "chunk too large", send: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1000001\r\n", want: []string{"413 request body too large close"}, closes: true, errors: 1},
	{name: "bad chunk", send: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", want: []string{"400 malformed chunked request body close"}, closes: true, errors: 1},
}

func TestConversations(t *testing.T) {
	for _, tc := range conversations {
		t.Run(tc.name, func(t *testing.T) {
			server, stop := start(t, 1)
			c := dial(t, server)
			if _, err := io.WriteString(c, tc.send); err != nil {
				t.Fatal(err)
			}
			checkConversation(t, tc, server, c)
			if final := stop(); final.Open != 0 || final.Closed != 1 {
				t.Errorf("final %+v", final.Counters)
			}
		})
	}
}

// The same must come out when each byte arrives alone.
func TestConversationsInSingleBytes(t *testing.T) {
	for _, tc := range conversations {
		if len(tc.send) > 1000 {
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			server, _ := start(t, 1)
			c := dial(t, server)
			for i := range len(tc.send) {
				if _, err := c.Write([]byte{tc.send[i]}); err != nil {
					t.Fatal(err)
				}
				// Whether the server sees single bytes or a few at once is
				// its and the kernel's affair: both must work.
			}
			checkConversation(t, tc, server, c)
		})
	}
}

func checkConversation(t *testing.T, tc conversation, server *httpd.Server, c *net.TCPConn) {
	t.Helper()
	count := len(tc.want)
	if tc.closes {
		count = -1 // until the end of the stream, which must come
	}
	got := readResponses(t, bufio.NewReader(c), count, tc.method)
	if fmt.Sprint(got) != fmt.Sprint(tc.want) {
		t.Errorf("responses\n%q, want\n%q", got, tc.want)
	}
	stats := server.Stats()
	if stats.Requests != tc.requests || stats.Errors != tc.errors {
		t.Errorf("%d requests, %d errors; want %d, %d", stats.Requests, stats.Errors, tc.requests, tc.errors)
	}
	if sent := tc.requests + tc.errors; stats.MessagesSent != sent {
		t.Errorf("%d responses sent, want %d", stats.MessagesSent, sent)
	}
}

func TestHeadTellsTheLength(t *testing.T) {
	server, _ := start(t, 1)
	response, err := http.Head("http://" + server.Addr().String() + "/?size=12345")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if response.ContentLength != 12345 || response.Header.Get("Date") == "" || response.Header.Get("Server") == "" {
		t.Errorf("head %+v", response)
	}
}

func TestContinue(t *testing.T) {
	server, _ := start(t, 1)
	c := dial(t, server)
	if _, err := io.WriteString(c, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(c)
	line, err := reader.ReadString('\n')
	if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := reader.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "body"); err != nil {
		t.Fatal(err)
	}
	if got := readResponses(t, reader, 1, "PUT"); fmt.Sprint(got) != "[200 ok]" {
		t.Errorf("responses %q", got)
	}
}

func TestDelayHoldsUpNobodyElse(t *testing.T) {
	const delay = 300 * time.Millisecond
	server, _ := start(t, 1)
	slow, quick := dial(t, server), dial(t, server)
	began := time.Now()
	if _, err := io.WriteString(slow, get("/?delay="+delay.String())); err != nil {
		t.Fatal(err)
	}
	targettest.Await(t, server, "the slow request", func(s targets.Stats) bool { return s.Requests == 1 })
	quickReader := bufio.NewReader(quick)
	for range 10 {
		if _, err := io.WriteString(quick, get("/")); err != nil {
			t.Fatal(err)
		}
		readResponses(t, quickReader, 1, "GET")
	}
	// Seen from the server: the ten were answered while the slow one wasn't.
	if stats := server.Stats(); time.Since(began) < delay && stats.MessagesSent != 10 {
		t.Errorf("%d responses during the delay, want 10", stats.MessagesSent)
	}
	readResponses(t, bufio.NewReader(slow), 1, "GET")
	if waited := time.Since(began); waited < delay {
		t.Errorf("the delayed response came after %v", waited)
	}
}

func TestLargeBodyWaitsForItsReader(t *testing.T) {
	const size = 48 << 20
	server, stop := start(t, 1)
	c, other := dial(t, server), dial(t, server)
	if _, err := io.WriteString(c, get(fmt.Sprintf("/?size=%d", size))+get("/?size=3")); err != nil {
		t.Fatal(err)
	}
	targettest.Await(t, server, "the start of the body", func(s targets.Stats) bool { return s.BytesSent > 0 })
	if _, err := io.WriteString(other, get("/")); err != nil {
		t.Fatal(err)
	}
	readResponses(t, bufio.NewReader(other), 1, "GET")
	if stats := server.Stats(); stats.BytesSent >= size {
		t.Errorf("%d bytes sent to a peer that doesn't read", stats.BytesSent)
	}
	reader := bufio.NewReader(c)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || len(body) != size {
		t.Fatalf("%d bytes, %v; want %d", len(body), err, size)
	}
	block := body[:64<<10]
	for from := 0; from < size; from += len(block) {
		if !bytes.Equal(body[from:from+len(block)], block) {
			t.Fatalf("the body is garbled at %d", from)
		}
	}
	if got := readResponses(t, reader, 1, "GET"); fmt.Sprint(got) != "[200 abc]" {
		t.Errorf("after the body: %q", got)
	}
	if final := stop(); final.Requests != 3 || final.MessagesSent != 3 || final.Errors != 0 {
		t.Errorf("final %+v", final.Counters)
	}
}

func TestPipelineToSlowReader(t *testing.T) {
	const count = 4000
	server, stop := start(t, 1)
	c := dial(t, server)
	writing := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, strings.Repeat(get("/?size=16000"), count-1)+get("/?size=16000&close=1"))
		writing <- err
	}()
	// 64 MB of responses can't fit anywhere: the server has to stop.
	targettest.Await(t, server, "some responses", func(s targets.Stats) bool { return s.BytesSent > 1<<20 })
	// Until the end of the stream, which must not cut off what is queued.
	got := readResponses(t, bufio.NewReader(c), -1, "GET")
	if len(got) != count {
		t.Fatalf("%d responses, want %d", len(got), count)
	}
	for i, response := range got {
		want := "200 16000 bytes"
		if i == count-1 {
			want += " close"
		}
		if response != want {
			t.Fatalf("response %q, want %q", response, want)
		}
	}
	if err := <-writing; err != nil {
		t.Fatal(err)
	}
	if final := stop(); final.Requests != count || final.MessagesSent != count {
		t.Errorf("final %+v", final.Counters)
	}
}

func TestTwoThousandConnectionsAgreeWithTheBooks(t *testing.T) {
	const (
		count  = 2000
		rounds = 3
	)
	server, stop := start(t, 3)
	connections := make([]*net.TCPConn, count)
	for i := range connections {
		connections[i] = dial(t, server)
	}
	received := 0
	buffer := make([]byte, 4<<10)
	for range rounds {
		for _, c := range connections {
			if _, err := io.WriteString(c, get("/")); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range connections {
			n, err := c.Read(buffer)
			if err != nil || !bytes.HasSuffix(buffer[:n], []byte("\r\n\r\nok")) {
				t.Fatalf("%q, %v", buffer[:n], err)
			}
			received += n
		}
	}
	stats := server.Stats()
	want := targets.Counters{
		Accepted: count, Open: count,
		MessagesSent: count * rounds, MessagesReceived: count * rounds, Requests: count * rounds,
		BytesSent: int64(received), BytesReceived: int64(count * rounds * len(get("/"))),
	}
	if stats.Counters != want {
		t.Errorf("stats %+v\nwant  %+v", stats.Counters, want)
	}
	want.Open, want.Closed = 0, count
	if final := stop(); final.Counters != want {
		t.Errorf("final %+v\nwant  %+v", final.Counters, want)
	}
}
