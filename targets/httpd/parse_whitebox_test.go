package httpd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestParseAnswer(t *testing.T) {
	ok := answer{text: "ok", size: noSize, status: 200}
	with := func(change func(*answer)) answer {
		a := ok
		change(&a)
		return a
	}
	cases := []struct {
		target string
		want   answer
	}{
		{target: "/", want: ok},
		{target: "*", want: ok},
		{target: "/any/path", want: ok},
		{target: "/?size=1073741824", want: with(func(a *answer) { a.size = MaxSize })},
		{target: "/?size=1&size=2", want: with(func(a *answer) { a.size = 2 })},
		{target: "/?delay=1.5s", want: with(func(a *answer) { a.delay = 1500 * time.Millisecond })},
		{target: "/?delay=250%C2%B5s", want: with(func(a *answer) { a.delay = 250 * time.Microsecond })},
		{target: "/?status=599", want: with(func(a *answer) { a.status = 599 })},
		{target: "/close", want: with(func(a *answer) { a.close = true })},
		{target: "/close?close=0", want: with(func(a *answer) { a.close = true })},
		{target: "/closed", want: ok},
		{target: "/?close=1", want: with(func(a *answer) { a.close = true })},
	}
	for _, tc := range cases {
		if got := parseAnswer([]byte(tc.target)); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.target, got, tc.want)
		}
	}
	for _, target := range []string{
		"/?size=", "/?size=-1", "/?size=1073741825", "/?size=99999999999999999999", "/?delay=5", "/?delay=2h",
		"/?delay=-1ms", "/?delay=%zz", "/?status=100", "/?status=600", "/?close=yes",
	} {
		if got := parseAnswer([]byte(target)); got.status != 400 || got.text == "" {
			t.Errorf("%s: %+v, want status 400", target, got)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte("/?size=10&delay=50ms&status=503&close=1"))
	f.Add([]byte("/close?x=%41"))
	f.Fuzz(func(t *testing.T, target []byte) {
		a := parseAnswer(target)
		if a.bodyLength() < 0 || a.bodyLength() > MaxSize || a.delay < 0 || a.delay > MaxDelay || a.status < minStatus || a.status > maxStatus {
			t.Errorf("%q: %+v is out of range", target, a)
		}
	})
}

// skipAll feeds a chunked body in pieces and returns how much of data belonged
// to it.
func skipAll(data []byte, piece int) (consumed int, done bool, err error) {
	var b body
	if err := b.start(-1); err != nil {
		return 0, false, err
	}
	for consumed < len(data) && !b.done() {
		n, err := b.skip(data[consumed:min(len(data), consumed+piece)])
		if err != nil {
			return consumed, false, err
		}
		consumed += n
	}
	return consumed, b.done(), nil
}

func FuzzChunkedBody(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\nGET"))
	f.Add([]byte("a;ext=\"x\"\r\n0123456789\r\n0\r\nT: v\r\nU: w\r\n\r\n"))
	f.Add([]byte("5\nhello\n0\n\n"))
	f.Add([]byte("ffffffffffffffffff\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, done, err := skipAll(data, len(data)+1)
		bytewise, doneBytewise, errBytewise := skipAll(data, 1)
		if done != doneBytewise || !errors.Is(err, errBytewise) || done && whole != bytewise {
			t.Fatalf("whole: %d %v %v; byte by byte: %d %v %v", whole, done, err, bytewise, doneBytewise, errBytewise)
		}
		// What the standard library reads to its end must end here, too, and
		// at the same place.
		source := bufio.NewReader(io.MultiReader(bytes.NewReader([]byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")), bytes.NewReader(data)))
		request, errRequest := http.ReadRequest(source)
		if errRequest != nil {
			t.Fatal(errRequest)
		}
		if _, errRequest = io.Copy(io.Discard, request.Body); errRequest != nil {
			return
		}
		rest, errRequest := io.ReadAll(source)
		if errRequest != nil {
			t.Fatal(errRequest)
		}
		if !done || whole != len(data)-len(rest) {
			t.Errorf("consumed %d (done %v, %v), net/http consumed %d of %q", whole, done, err, len(data)-len(rest), data)
		}
	})
}

func FuzzHead(f *testing.F) {
	f.Add([]byte("GET /?size=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nrest"))
	f.Add([]byte("POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[emptyLines(data):]
		var r request
		n, err := newHeadParser().parse(data, &r)
		if n < 0 || n > len(data) || n > maxHead || err != nil && n != 0 {
			t.Errorf("parse(%q) = %d, %v", data, n, err)
		}
	})
}

func TestPlainRequestAllocatesNothing(t *testing.T) {
	parser := newHeadParser()
	var heads headWriter
	head := []byte("GET / HTTP/1.1\r\nHost: target\r\nUser-Agent: test\r\n\r\n")
	now := time.Now()
	var out []byte
	var r request
	serve := func() {
		n, err := parser.parse(head, &r)
		if n != len(head) || err != nil {
			t.Fatalf("parse = %d, %v", n, err)
		}
		out = heads.appendHead(out[:0], shape{length: r.answer.bodyLength(), status: r.answer.status}, now)
		out = append(out, r.answer.text...)
	}
	serve()
	if allocations := testing.AllocsPerRun(1000, serve); allocations != 0 {
		t.Errorf("%v allocations for a plain request, want none", allocations)
	}
}

func BenchmarkPlainRequest(b *testing.B) {
	parser := newHeadParser()
	var heads headWriter
	head := []byte("GET / HTTP/1.1\r\nHost: target\r\nUser-Agent: test\r\n\r\n")
	var out []byte
	var r request
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parser.parse(head, &r); err != nil {
			b.Fatal(err)
		}
		out = heads.appendHead(out[:0], shape{length: r.answer.bodyLength(), status: r.answer.status}, time.Now())
	}
}
