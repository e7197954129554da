package http1_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"upsurge/tasks/internal/http1"
)

// outcome is what a response was read as.
type outcome struct {
	status   int
	body     string
	keep     bool
	consumed int
	err      error
}

// String shows the error's text, which the verbs of fmt don't inside a struct.
func (o outcome) String() string {
	return fmt.Sprintf("status %d, body %q, keep %v, %d consumed, error %v", o.status, o.body, o.keep, o.consumed, o.err)
}

// read feeds the text in parts of that many bytes, then the end of the
// connection if that is still of interest.
func read(text []byte, part int, forHEAD bool) outcome {
	var p http1.Parser
	return readWith(&p, text, part, forHEAD)
}

func readWith(p *http1.Parser, text []byte, part int, forHEAD bool) (o outcome) {
	p.Begin(forHEAD)
	var body strings.Builder
	defer func() { o.body, o.status, o.keep = body.String(), p.Status(), p.KeepAlive() }()
	for o.consumed < len(text) && !p.Done() {
		data := text[o.consumed:min(len(text), o.consumed+part)]
		for len(data) > 0 && !p.Done() {
			n, piece, err := p.Feed(data)
			body.Write(piece)
			o.consumed += n
			data = data[n:]
			if err != nil {
				o.err = err
				return o
			}
		}
	}
	o.err = p.End()
	return o
}

const head = "HTTP/1.1 200 OK\r\n"

func TestResponses(t *testing.T) {
	many := strings.Repeat("X-Field: some value that is as long as that of others\r\n", 1000)
	cases := []struct {
		name    string
		text    string
		forHEAD bool
		want    outcome // consumed 0: all
	}{
		{name: "length", text: head + "Content-Length: 2\r\n\r\nok", want: outcome{status: 200, body: "ok", keep: true}},
		{name: "no reason", text: "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", want: outcome{status: 404, keep: true}},
		{name: "odd case and white space", text: head + "cOnTeNt-LeNgTh:\t 2 \t\r\n\r\nok", want: outcome{status: 200, body: "ok", keep: true}},
		{name: "the same length twice", text: head + "Content-Length: 2\r\nContent-Length: 02\r\n\r\nok", want: outcome{status: 200, body: "ok", keep: true}},
		{name: "bare LF", text: "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", want: outcome{status: 200, body: "ok", keep: true}},
		{name: "folded field", text: head + "X: a\r\n  b\r\nContent-Length: 2\r\n\r\nok", want: outcome{status: 200, body: "ok", keep: true}},
		{name: "Latin-1 and tabs", text: head + "X:\t\xe9t\xe9 \x80\xff\r\nContent-Length: 2\r\n\r\nok", want: outcome{status: 200, body: "ok", keep: true}},
		{name: "large head", text: head + many + "Content-Length: 2\r\n\r\nok", want: outcome{status: 200, body: "ok", keep: true}},
		{name: "close", text: head + "Connection: close\r\nContent-Length: 2\r\n\r\nok", want: outcome{status: 200, body: "ok"}},
		{name: "close in a list", text: head + "Connection: foo ,, CLOSE\t\r\nContent-Length: 2\r\n\r\nok", want: outcome{status: 200, body: "ok"}},
		{name: "close in a second field", text: head + "Connection: keep-alive\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", want: outcome{status: 200, body: "ok"}},
		{name: "HTTP/1.0", text: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", want: outcome{status: 200, body: "ok"}},
		{name: "HTTP/1.0 that stays", text: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", want: outcome{status: 200, body: "ok", keep: true}},
		{name: "later minor version", text: "HTTP/1.7 200 OK\r\nContent-Length: 2\r\n\r\nok", want: outcome{status: 200, body: "ok", keep: true}},
		{name: "to the end", text: head + "\r\nall of it", want: outcome{status: 200, body: "all of it"}},
		{name: "nothing to the end", text: head + "\r\n", want: outcome{status: 200}},
		{name: "no content", text: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nHTTP/", want: outcome{status: 204, keep: true, consumed: 46}},
		{name: "not modified", text: "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", want: outcome{status: 304, keep: true}},
		{name: "HEAD", forHEAD: true, text: head + "Content-Length: 1000\r\n\r\n", want: outcome{status: 200, keep: true}},
		{name: "HEAD without a length", forHEAD: true, text: head + "\r\n", want: outcome{status: 200, keep: true}},
		{name: "HEAD behind an interim one", forHEAD: true, text: "HTTP/1.1 103 Early Hints\r\n\r\n" + head + "Content-Length: 7\r\n\r\n", want: outcome{status: 200, keep: true}},
		{name: "interim", text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nConnection: close\r\nContent-Length: 9\r\n\r\n" + head + "Content-Length: 2\r\n\r\nok", want: outcome{status: 200, body: "ok", keep: true}},
		{name: "switching protocols", text: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\nxyz", want: outcome{status: 101, consumed: 57}},
		{name: "pipelined", text: head + "Content-Length: 2\r\n\r\nokHTTP/1.1", want: outcome{status: 200, body: "ok", keep: true, consumed: 40}},
		{name: "chunked", text: head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", want: outcome{status: 200, body: "abc0123456789", keep: true}},
		{name: "chunked with a trailer", text: head + "Transfer-Encoding:Chunked\r\n\r\n3 \t\r\nabc\r\n000;a\r\nContent-Length: 5\r\nX: y\r\n z\r\n\r\n", want: outcome{status: 200, body: "abc", keep: true}},
		{name: "chunked and with a length", text: head + "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", want: outcome{status: 200, body: "a"}},

		{name: "no bytes", text: "", want: outcome{err: io.ErrUnexpectedEOF}},
		{name: "cut in the status line", text: "HTTP/1.1 20", want: outcome{err: io.ErrUnexpectedEOF}},
		{name: "cut in the head", text: head, want: outcome{status: 200, err: io.ErrUnexpectedEOF}},
		{name: "cut in the body", text: head + "Content-Length: 2\r\n\r\no", want: outcome{status: 200, body: "o", err: io.ErrUnexpectedEOF}},
		{name: "cut behind a chunk", text: head + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", want: outcome{status: 200, body: "a", err: io.ErrUnexpectedEOF}},
		{name: "cut in the trailer", text: head + "Transfer-Encoding: chunked\r\n\r\n0\r\n", want: outcome{status: 200, err: io.ErrUnexpectedEOF}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.want.consumed == 0 {
				c.want.consumed = len(c.text)
			}
			for _, part := range []int{1, 2, 3, 7, 1 << 20} {
				if got := read([]byte(c.text), part, c.forHEAD); got != c.want {
					t.Errorf("in parts of %d: %v, want %v", part, got, c.want)
				}
			}
		})
	}
}

func TestFaults(t *testing.T) {
	encoded := func(chunks string) string { return head + "Transfer-Encoding: chunked\r\n\r\n" + chunks }
	cases := []struct {
		name, text string
		want       error
	}{
		{name: "other protocol", text: "220 smtp.example.org ready\r\n", want: http1.ErrStatusLine},
		{name: "HTTP/2", text: "HTTP/2.0 200 OK\r\n", want: http1.ErrStatusLine},
		{name: "empty status line", text: "\r\n", want: http1.ErrStatusLine},
		{name: "short code", text: "HTTP/1.1 20 OK\r\n", want: http1.ErrStatusLine},
		{name: "long code", text: "HTTP/1.1 2000\r\n", want: http1.ErrStatusLine},
		{name: "code below 100", text: "HTTP/1.1 099 X\r\n", want: http1.ErrStatusLine},
		{name: "code with a sign", text: "HTTP/1.1 +20 X\r\n", want: http1.ErrStatusLine},
		{name: "CR in the reason", text: "HTTP/1.1 200 O\rK\r\n", want: http1.ErrStatusLine},
		{name: "no colon", text: head + "nonsense\r\n", want: http1.ErrField},
		{name: "no name", text: head + ": x\r\n", want: http1.ErrField},
		{name: "space before the colon", text: head + "Content-Length : 5\r\n", want: http1.ErrField},
		{name: "control character", text: head + "X: 12345\x0067890\r\n", want: http1.ErrField},
		{name: "delete", text: head + "X: 123\x7f4567890\r\n", want: http1.ErrField},
		{name: "CR inside", text: head + "X: y\rContent-Length: 5\r\n", want: http1.ErrField},
		{name: "begins with a fold", text: head + " X: y\r\n", want: http1.ErrField},
		{name: "folded length", text: head + "Content-Length: 5\r\n 6\r\n", want: http1.ErrField},
		{name: "folded connection", text: head + "Connection:\r\n close\r\n", want: http1.ErrField},
		{name: "two lengths", text: head + "Content-Length: 5\r\nContent-Length: 6\r\n", want: http1.ErrContentLength},
		{name: "list of lengths", text: head + "Content-Length: 5, 5\r\n", want: http1.ErrContentLength},
		{name: "negative length", text: head + "Content-Length: -5\r\n", want: http1.ErrContentLength},
		{name: "length with a sign", text: head + "Content-Length: +5\r\n", want: http1.ErrContentLength},
		{name: "empty length", text: head + "Content-Length:\r\n", want: http1.ErrContentLength},
		{name: "length that overflows", text: head + "Content-Length: 18446744073709551617\r\n", want: http1.ErrContentLength},
		{name: "large body", text: head + fmt.Sprintf("Content-Length: %d\r\n\r\n", http1.MaxBody+1), want: http1.ErrLargeBody},
		{name: "other encoding", text: head + "Transfer-Encoding: gzip\r\n", want: http1.ErrTransferEncoding},
		{name: "list of encodings", text: head + "Transfer-Encoding: gzip, chunked\r\n", want: http1.ErrTransferEncoding},
		{name: "chunked twice", text: head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", want: http1.ErrTransferEncoding},
		{name: "chunked in HTTP/1.0", text: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", want: http1.ErrTransferEncoding},
		{name: "large head", text: head + "X: " + strings.Repeat("x", http1.MaxHead), want: http1.ErrLargeHead},
		{name: "many fields", text: head + strings.Repeat("X: x\r\n", http1.MaxHead/6+1), want: http1.ErrLargeHead},
		{name: "many interim responses", text: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", http1.MaxHead/25+1), want: http1.ErrLargeHead},
		{name: "large trailer", text: encoded("0\r\n" + strings.Repeat("X: x\r\n", http1.MaxHead/6+1)), want: http1.ErrLargeHead},
		{name: "no size", text: encoded("\r\n"), want: http1.ErrChunk},
		{name: "no number", text: encoded("xyz\r\n"), want: http1.ErrChunk},
		{name: "size with a prefix", text: encoded("0x5\r\n"), want: http1.ErrChunk},
		{name: "negative size", text: encoded("-5\r\n"), want: http1.ErrChunk},
		{name: "white space before the size", text: encoded(" 5\r\n"), want: http1.ErrChunk},
		{name: "text behind the size", text: encoded("5 5\r\n"), want: http1.ErrChunk},
		{name: "size that overflows", text: encoded("10000000000000005\r\n"), want: http1.ErrChunk},
		{name: "large chunk", text: encoded("40000001\r\n"), want: http1.ErrLargeBody},
		{name: "bare LF behind the size", text: encoded("5\n"), want: http1.ErrChunk},
		{name: "CR in an extension", text: encoded("5;a\rb\r\n"), want: http1.ErrChunk},
		{name: "long extension", text: encoded("5;" + strings.Repeat("x", 5000)), want: http1.ErrChunk},
		{name: "chunk longer than its size", text: encoded("1\r\nab\r\n"), want: http1.ErrChunk},
		{name: "bare LF behind a chunk", text: encoded("1\r\na\n"), want: http1.ErrChunk},
		{name: "bare LF in the trailer", text: encoded("0\r\nX: y\n"), want: http1.ErrField},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, part := range []int{1, 3, 1 << 20} {
				got := read([]byte(c.text), part, false)
				if !errors.Is(got.err, c.want) || got.keep {
					t.Errorf("in parts of %d: %v, want the error %v", part, got, c.want)
				}
			}
		})
	}
}

func TestErrorShowsOnlyTheBeginning(t *testing.T) {
	got := read([]byte(strings.Repeat("\x00", 1000)+"\n"), 1<<20, false).err.Error()
	if !strings.Contains(got, `no HTTP/1 status line: "\x00`) || len(got) > 300 {
		t.Errorf("%d bytes of text: %s", len(got), got)
	}
}

func TestBodyToTheEndIsBounded(t *testing.T) {
	var p http1.Parser
	if _, _, err := p.Feed([]byte("HTTP/1.0 200 OK\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 1<<20)
	for fed := 0; ; fed += len(part) {
		_, _, err := p.Feed(part)
		if fed+len(part) <= http1.MaxBody {
			if err != nil {
				t.Fatalf("after %d bytes: %v", fed, err)
			}
			continue
		}
		if !errors.Is(err, http1.ErrLargeBody) {
			t.Errorf("after %d bytes: %v, want %v", fed, err, http1.ErrLargeBody)
		}
		return
	}
}

// A parser that failed or was left in the middle begins anew.
func TestBeginAfterAnything(t *testing.T) {
	const good = head + "Content-Length: 2\r\n\r\nok"
	var p http1.Parser
	for _, text := range []string{"HTTP/1.1 20", head + "X: " + strings.Repeat("x", 20_000), "x\n", head + "Content-Length: 9\r\n\r\nabc", good} {
		readWith(&p, []byte(text), 5, false)
		want := outcome{status: 200, body: "ok", keep: true, consumed: len(good)}
		if got := readWith(&p, []byte(good), 5, false); got != want {
			t.Errorf("after %.20q: %v, want %v", text, got, want)
		}
	}
}
