package httpd

import (
	"bufio"
	"bytes"
	"errors"

	"github.com/valyala/fasthttp"
)

// maxHead is the largest request head, from the request line to the empty
// line.
const maxHead = 16 << 10

var (
	errHeadTooLarge = errors.New("request head too large")
	errBadHead      = errors.New("malformed request head")
)

// request is what the server needs of a request's head.
type request struct {
	answer         answer
	contentLength  int // as in fasthttp: -1 chunked, -2 none
	head           bool
	keepAlive      bool // HTTP/1.0 and wants to stay
	expectContinue bool
}

// headParser reads request heads with fasthttp. Loop goroutine only.
type headParser struct {
	header fasthttp.RequestHeader
	bytes  bytes.Reader
	reader *bufio.Reader
}

func newHeadParser() *headParser {
	return &headParser{reader: bufio.NewReaderSize(nil, maxHead)}
}

// parse reads one head from the start of data and returns its length; 0 means
// that its end hasn't come yet.
func (p *headParser) parse(data []byte, r *request) (int, error) {
	length := headLength(data)
	if length > maxHead || length == 0 && len(data) > maxHead {
		return 0, errHeadTooLarge
	}
	if length == 0 {
		return 0, nil
	}
	p.bytes.Reset(data[:length])
	p.reader.Reset(&p.bytes)
	if err := p.header.Read(p.reader); err != nil {
		return 0, errBadHead
	}
	r.answer = parseAnswer(p.header.RequestURI())
	r.contentLength = p.header.ContentLength()
	r.head = p.header.IsHead()
	if p.wantsClose() {
		r.answer.close = true
	}
	r.keepAlive = !p.header.IsHTTP11() && !r.answer.close
	r.expectContinue = r.contentLength != -2 && r.contentLength != 0 &&
		bytes.EqualFold(p.header.Peek(fasthttp.HeaderExpect), []byte("100-continue"))
	return length, nil
}

// wantsClose reports whether the client asks to close. fasthttp knows the
// plain "close" and HTTP/1.0's default; lists and other spellings are looked
// for here.
func (p *headParser) wantsClose() bool {
	if p.header.ConnectionClose() {
		return true
	}
	value := p.header.Peek(fasthttp.HeaderConnection)
	for len(value) > 0 {
		var token []byte
		token, value, _ = bytes.Cut(value, []byte{','})
		if bytes.EqualFold(bytes.TrimSpace(token), []byte("close")) {
			return true
		}
	}
	return false
}

// headLength returns the length of the head that data begins with, its empty
// line included, or 0. Data must not begin with an empty line. Lines that end
// in a bare LF are taken for lines here, so that fasthttp can refuse them
// instead of waiting for more.
func headLength(data []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(data[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		switch {
		case i < len(data) && data[i] == '\n':
			return i + 1
		case i+1 < len(data) && data[i] == '\r' && data[i+1] == '\n':
			return i + 2
		}
	}
}

// emptyLines returns the length of the empty lines that data begins with:
// clients of old send one after a body.
func emptyLines(data []byte) int {
	n := 0
	for {
		switch {
		case bytes.HasPrefix(data[n:], []byte{'\n'}):
			n++
		case bytes.HasPrefix(data[n:], []byte{'\r', '\n'}):
			n += 2
		default:
			return n
		}
	}
}
