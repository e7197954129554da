package httpqps

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/valyala/fasthttp"
)

// scripted is a stream that gives its bytes in parts and then ends.
type scripted struct {
	net.Conn
	rest []byte
	part int
}

func (s *scripted) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.part)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func read(text []byte, part int, want []byte) (*connection, *bodyCheck, error) {
	c := &connection{stream: &scripted{rest: text, part: part}}
	c.reader = bufio.NewReaderSize(c, smallReader)
	response := &fasthttp.Response{StreamBody: true}
	buffers := &sync.Pool{New: func() any { return new([bodyBuffer]byte) }}
	check := &bodyCheck{}
	check.begin(want)
	return c, check, readAnswer(c, response, check, buffers)
}

// However the bytes are cut on their way, the answer is the same.
func TestAnswerInParts(t *testing.T) {
	long := strings.Repeat("0123456789", 700)
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 7000\r\n\r\n" + long,
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1b58\r\n" + long + "\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX-Large: " + long + "\r\nContent-Length: 7000\r\n\r\n" + long,
		"HTTP/1.1 200 OK\r\n\r\n" + long,
	} {
		for _, part := range []int{1, 7, 4096, 1 << 20} {
			_, check, err := read([]byte(text), part, []byte(long))
			if err != nil || !check.met() || check.total != 7000 {
				t.Errorf("parts of %d, %.60q: %d bytes, error %v", part, text, check.total, err)
			}
		}
	}
}

// Every cut of a whole answer is an error.
func TestCutAnswersAreErrors(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: v\r\n\r\n",
	} {
		for cut := range len(text) {
			c, _, err := read([]byte(text[:cut]), 1<<20, nil)
			if err == nil || !errors.Is(c.fault, io.EOF) {
				t.Errorf("%q: error %v, fault %v", text[:cut], err, c.fault)
			}
		}
		if _, _, err := read([]byte(text), 1<<20, nil); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive, Close\r\n\r\nok",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\nfffffffffffffff\r\nok",
		"\r\n\r\n",
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, part int) {
		c, check, err := read(bytes.Clone(text), max(part, 1), nil)
		if check.total > int64(len(text)) {
			t.Errorf("a body of %d bytes in %d", check.total, len(text))
		}
		if err == nil && c.reader.Size() > largeReader {
			t.Errorf("the reader grew to %d", c.reader.Size())
		}
	})
}
