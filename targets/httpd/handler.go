package httpd

import (
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"upsurge/targets"
	"upsurge/targets/internal/server"
)

const (
	// maxInline is the largest body that is written together with its head
	// and with other responses; larger ones are streamed from the pattern.
	maxInline = 16 << 10
	// maxBatch is how many bytes of responses to pipelined requests are
	// gathered before they are written.
	maxBatch = 64 << 10
	// streamRounds bounds what one connection writes before the loop looks
	// after the others.
	streamRounds = 8

	continueLine = "HTTP/1.1 100 Continue\r\n\r\n"
)

// handler is one loop's share of the server. Loop goroutine only.
//
// Requests of one connection are answered strictly in order. While one waits
// (for its delay, for room in the kernel) nothing more is read from that
// connection, so at most one read of pipelined requests is kept for it.
type handler struct {
	counters *targets.Counters
	parser   *headParser
	heads    headWriter
	pool     exchangePool
	out      []byte // responses gathered during a callback
	gathered int64  // how many of them are complete
	now      time.Time
}

var _ server.Handler = (*handler)(nil)

func newHandler(counters *targets.Counters) *handler {
	return &handler{counters: counters, parser: newHeadParser()}
}

func (h *handler) OnOpen(*server.Conn) {}

func (h *handler) OnData(c *server.Conn, data []byte) {
	ex, _ := c.State.(*exchange)
	if ex == nil {
		ex = h.pool.take()
		c.State = ex
	}
	if len(ex.input) > 0 {
		ex.input = append(ex.input, data...)
		data = ex.input
	}
	h.proceed(c, ex, data)
}

// OnTimer ends a delay.
func (h *handler) OnTimer(c *server.Conn) {
	ex, _ := c.State.(*exchange)
	if ex == nil || ex.phase != awaitingTime {
		return
	}
	h.now = time.Now()
	if h.respond(c, ex) {
		h.resume(c, ex)
	} else {
		h.flush(c, ex)
	}
}

func (h *handler) OnWritable(c *server.Conn) {
	ex, _ := c.State.(*exchange)
	if ex == nil {
		return
	}
	h.counters.MessagesSent += ex.queued
	ex.queued = 0
	if c.Closing() {
		return
	}
	switch ex.phase {
	case awaitingWrites:
		ex.phase = awaitingHead
		h.resume(c, ex)
	case awaitingRoom:
		if h.stream(c, ex) {
			h.resume(c, ex)
		}
	default: // a delay goes on
	}
}

func (h *handler) OnClose(c *server.Conn) {
	if ex, _ := c.State.(*exchange); ex != nil {
		h.pool.put(ex)
		c.State = nil
	}
}

// resume goes on with the requests that came while one was being answered.
func (h *handler) resume(c *server.Conn, ex *exchange) {
	c.ResumeRead()
	h.proceed(c, ex, ex.input)
}

// proceed handles as many requests as data holds, writes the responses, and
// keeps what is left of data.
func (h *handler) proceed(c *server.Conn, ex *exchange, data []byte) {
	h.now = time.Now()
	for len(data) > 0 && !c.Closing() {
		n, goOn := h.advance(c, ex, data)
		data = data[n:]
		if !goOn {
			break
		}
	}
	h.flush(c, ex)
	switch {
	case c.Closing():
		return // OnClose drops the exchange
	case len(data) == 0 && ex.phase == awaitingHead && ex.queued == 0:
		c.State = nil
		h.pool.put(ex)
	default:
		ex.input = append(ex.input[:0], data...)
	}
}

// advance consumes the next piece of input and reports whether there may be
// more to do.
func (h *handler) advance(c *server.Conn, ex *exchange, data []byte) (int, bool) {
	switch ex.phase {
	case awaitingHead:
		blank := emptyLines(data)
		n, err := h.parser.parse(data[blank:], &ex.request)
		if err == nil && n > 0 {
			err = ex.body.start(ex.request.contentLength)
		}
		if err != nil {
			h.refuse(c, ex, err)
			return len(data), false
		}
		if n == 0 {
			return blank, false
		}
		n += blank
		if ex.body.done() {
			return n, h.complete(c, ex)
		}
		if ex.request.expectContinue && n == len(data) {
			h.out = append(h.out, continueLine...)
		}
		ex.phase = awaitingBody
		return n, true
	case awaitingBody:
		n, err := ex.body.skip(data)
		if err != nil {
			h.refuse(c, ex, err)
			return len(data), false
		}
		if ex.body.done() {
			return n, h.complete(c, ex)
		}
		return n, true
	default:
		return 0, false
	}
}

// complete is called when a request was read in full. It reports whether the
// next one may be looked at.
func (h *handler) complete(c *server.Conn, ex *exchange) bool {
	h.counters.Requests++
	h.counters.MessagesReceived++
	if ex.request.answer.delay > 0 {
		ex.phase = awaitingTime
		c.PauseRead()
		c.SetTimer(ex.request.answer.delay)
		return false
	}
	return h.respond(c, ex)
}

// respond gathers the response to the exchange's request. It reports whether
// the next request may be looked at.
func (h *handler) respond(c *server.Conn, ex *exchange) bool {
	a := &ex.request.answer
	h.out = h.heads.appendHead(h.out, shape{
		length: a.bodyLength(), status: a.status, close: a.close, keepAlive: ex.request.keepAlive,
	}, h.now)
	withBody := !ex.request.head && bodyAllowed(a.status)
	switch {
	case !withBody:
	case a.size == noSize:
		h.out = append(h.out, a.text...)
	case a.size <= maxInline:
		h.out = appendPattern(h.out, a.size)
	default:
		h.flush(c, ex)
		ex.phase, ex.position = awaitingRoom, 0
		return h.stream(c, ex)
	}
	h.gathered++
	return h.responded(c, ex)
}

// responded is called when a response is complete in the batch, in the
// connection's queue or in the kernel.
func (h *handler) responded(c *server.Conn, ex *exchange) bool {
	ex.phase = awaitingHead
	if ex.request.answer.close {
		h.flush(c, ex)
		c.CloseAfterFlush()
		return false
	}
	if len(h.out) >= maxBatch {
		h.flush(c, ex)
	}
	return ex.phase == awaitingHead
}

// stream writes the sized body as far as the kernel takes it. It reports
// whether the next request may be looked at.
func (h *handler) stream(c *server.Conn, ex *exchange) bool {
	size := ex.request.answer.size
	for range streamRounds {
		from := ex.position % patternSize
		piece := pattern[from:min(patternSize, from+size-ex.position)]
		n, err := c.TryWrite(piece)
		if err != nil {
			return false
		}
		ex.position += int64(n)
		if ex.position == size {
			h.counters.MessagesSent++
			return h.responded(c, ex)
		}
		if n < len(piece) {
			break
		}
	}
	c.PauseRead()
	c.NotifyWritable()
	return false
}

// flush writes what was gathered. What the kernel doesn't take waits in the
// connection's queue, and the connection is left alone until it is gone.
func (h *handler) flush(c *server.Conn, ex *exchange) {
	if len(h.out) == 0 {
		return
	}
	n, err := c.TryWrite(h.out)
	switch {
	case err != nil: // counted; the connection is being closed
	case n == len(h.out):
		h.counters.MessagesSent += h.gathered
	default:
		c.Queue(h.out[n:])
		ex.queued += h.gathered
		if ex.phase == awaitingHead {
			ex.phase = awaitingWrites
			c.PauseRead()
		}
	}
	h.out, h.gathered = h.out[:0], 0
}

// refuse answers what isn't a request, or one that is too large, and closes.
func (h *handler) refuse(c *server.Conn, ex *exchange, reason error) {
	h.counters.Errors++
	status := fasthttp.StatusBadRequest
	switch {
	case errors.Is(reason, errHeadTooLarge):
		status = fasthttp.StatusRequestHeaderFieldsTooLarge
	case errors.Is(reason, errBodyTooLarge):
		status = fasthttp.StatusRequestEntityTooLarge
	}
	ex.request = request{answer: answer{text: reason.Error() + "\n", size: noSize, status: status, close: true}}
	h.respond(c, ex)
}
