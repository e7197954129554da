package httpd

import (
	"time"

	"github.com/valyala/fasthttp"
)

const (
	serverName = "upsurge-target"
	// patternSize is the largest piece in which a sized body is written.
	patternSize = 64 << 10
)

// pattern is what sized bodies consist of, again and again.
var pattern = func() []byte {
	const letters = "abcdefghijklmnopqrstuvwxyz012345"
	block := make([]byte, patternSize)
	for i := range block {
		block[i] = letters[i%len(letters)]
	}
	return block
}()

// appendPattern appends a body of size bytes; size is at most patternSize.
func appendPattern(out []byte, size int64) []byte {
	return append(out, pattern[:size]...)
}

// shape is all that the head of a response depends on, besides the date.
type shape struct {
	length    int64
	status    int
	close     bool
	keepAlive bool // said aloud, as HTTP/1.0 needs it
}

// headWriter writes response heads and remembers the last one: most responses
// of a test look like the one before. Loop goroutine only.
type headWriter struct {
	header fasthttp.ResponseHeader
	shape  shape
	second int64
	cached []byte
}

// appendHead appends the head of a response. now is for the cache: the date
// in a head may be a second or two old.
func (w *headWriter) appendHead(out []byte, s shape, now time.Time) []byte {
	if second := now.Unix(); s != w.shape || second != w.second {
		w.render(s)
		w.shape, w.second = s, second
	}
	return append(out, w.cached...)
}

func (w *headWriter) render(s shape) {
	h := &w.header
	h.Reset()
	h.SetServer(serverName)
	h.SetStatusCode(s.status)
	h.SetContentLength(int(s.length))
	switch {
	case s.close:
		h.SetConnectionClose()
	case s.keepAlive:
		h.Set(fasthttp.HeaderConnection, "keep-alive")
	}
	// Header keeps its buffer for the next call.
	w.cached = append(w.cached[:0], h.Header()...)
}

// bodyAllowed reports whether a response of this status may have a body.
func bodyAllowed(status int) bool {
	return status != fasthttp.StatusNoContent && status != fasthttp.StatusNotModified
}
