package httpqps

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/valyala/fasthttp"

	"upsurge/tasks/internal/http1"
)

const (
	bodyBuffer = 16 << 10 // bytes of a body read at once
	chunked    = -1       // as fasthttp's ContentLength has it
)

var (
	comma   = []byte(",")
	closing = []byte("close")
)

// readAnswer reads one answer from the connection into response, whose
// StreamBody must be set: the body isn't held, it goes through check. Interim
// answers (1xx) are skipped by fasthttp.
func readAnswer(c *connection, response *fasthttp.Response, check *bodyCheck, buffers *sync.Pool) error {
	err := response.Read(c.reader)
	if _, small := errors.AsType[*fasthttp.ErrSmallBuffer](err); small {
		if !c.grow() {
			return http1.ErrLargeHead
		}
		err = readAgain(c, response)
	}
	if err != nil {
		return err
	}
	body := response.BodyStream()
	if body == nil { // HEAD, 204, 304
		return nil
	}
	if response.Header.ContentLength() > http1.MaxBody {
		err = http1.ErrLargeBody
	} else {
		err = readBody(body, check, buffers)
	}
	if err == nil && response.Header.ContentLength() == chunked {
		err = c.fault // fasthttp lets the end of the connection end the last chunk
	}
	// Closing gives the stream back to fasthttp's pool and reads nothing.
	return errors.Join(err, response.CloseBodyStream())
}

func readAgain(c *connection, response *fasthttp.Response) error {
	err := response.Read(c.reader)
	if _, small := errors.AsType[*fasthttp.ErrSmallBuffer](err); small {
		return http1.ErrLargeHead
	}
	return err
}

func readBody(body io.Reader, check *bodyCheck, buffers *sync.Pool) error {
	buffer := buffers.Get().(*[bodyBuffer]byte)
	defer buffers.Put(buffer)
	for {
		n, err := body.Read(buffer[:])
		check.add(buffer[:n])
		switch {
		case err == io.EOF: // as io.Reader has it; a wrapped one is a broken body
			return nil
		case err != nil:
			return err
		case check.total > http1.MaxBody:
			return http1.ErrLargeBody
		}
	}
}

// endsConnection says whether no request may follow the answer on its
// connection. A HEAD's answer without Content-Length is among those: fasthttp
// takes its body to last until the end of the connection.
func endsConnection(response *fasthttp.Response) bool {
	if response.ConnectionClose() || response.StatusCode() == fasthttp.StatusSwitchingProtocols {
		return true
	}
	// fasthttp knows only "close", in lower case and alone.
	for option := range bytes.SplitSeq(response.Header.Peek(fasthttp.HeaderConnection), comma) {
		if bytes.EqualFold(bytes.TrimSpace(option), closing) {
			return true
		}
	}
	return false
}
