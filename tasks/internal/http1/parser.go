// Package http1 reads responses of HTTP/1.0 and HTTP/1.1 as their bytes come
// in: no sockets, no clock, no goroutine. A Parser belongs to whoever feeds it.
//
// Only what a client needs to know is kept: the status, how the body is
// framed, and whether another response may follow on the connection. The rest
// of a head is checked for its form and dropped.
//
// Where RFC 9112 leaves a choice, the parser does as net/http or is stricter:
//
//   - A bare LF ends a line of the head, but none of a chunked body's framing
//     or trailer.
//   - Of several Content-Length fields all must be the same number.
//   - Transfer-Encoding must be one field with the one word "chunked", and
//     HTTP/1.1. It outdoes a Content-Length; the connection is not used again
//     then.
//   - A line that goes on in the next (obs-fold) is taken, except in the fields
//     that say how the message is framed or whether the connection stays.
//   - White space before a field's colon, an empty field name, control
//     characters and every version but HTTP/1.x are errors.
package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Limits of a response, whatever it announces.
const (
	// MaxHead bounds the bytes of all lines: the status line and the fields,
	// those of interim responses (1xx) before it and of a trailer included.
	MaxHead = 64 << 10
	// MaxBody bounds the bytes of a body.
	MaxBody = 1 << 30
	// maxChunkLine bounds the line with a chunk's size and its extensions.
	maxChunkLine = 4 << 10
	// keptLine is the largest buffer that a Parser keeps for the next response.
	keptLine = 4 << 10
)

// The ways in which bytes are no response. Text that the peer sent is at most
// added to ErrStatusLine.
var (
	ErrStatusLine       = errors.New("no HTTP/1 status line")
	ErrField            = errors.New("bad header field")
	ErrContentLength    = errors.New("bad Content-Length")
	ErrTransferEncoding = errors.New("unsupported Transfer-Encoding")
	ErrChunk            = errors.New("bad chunk")
	ErrLargeHead        = fmt.Errorf("its header is larger than %d bytes", MaxHead)
	ErrLargeBody        = fmt.Errorf("its body is larger than %d bytes", MaxBody)
)

type phase uint8

const (
	atStatus phase = iota
	atField
	inBody     // of a known length
	inRest     // body up to the end of the connection
	atChunk    // the line with its size
	inChunk    // its bytes
	afterChunk // the empty line behind them
	atTrailer
	complete
)

type flags uint16

const (
	forHead     flags = 1 << iota // the request was HEAD
	oldVersion                    // HTTP/1.0
	closing                       // Connection: close
	staying                       // Connection: keep-alive
	hasLength                     // Content-Length
	hasEncoding                   // Transfer-Encoding
	foldable                      // the line before may go on in this one
	unusable                      // no response may follow
)

// Parser reads one response after the other. The zero value is ready for the
// first. It allocates only when a line comes in parts; the buffer for that
// stays with it, so keep parsers in a pool, not one for each idle connection.
type Parser struct {
	line   []byte // the beginning of a line whose end has not come
	length int64  // Content-Length
	left   int64  // bytes of the body, or of its chunk, that are to come
	body   int64  // bytes of the body so far
	head   int32  // bytes of lines so far
	status int16
	flags  flags
	phase  phase
}

// Begin makes p ready for the next response. forHEAD says that it answers a
// HEAD request, so that it has no body whatever its fields say.
func (p *Parser) Begin(forHEAD bool) {
	line := p.line[:0]
	if cap(line) > keptLine {
		line = nil
	}
	*p = Parser{line: line}
	if forHEAD {
		p.flags = forHead
	}
}

// Done says whether the response is complete.
func (p *Parser) Done() bool { return p.phase == complete }

// Status is the status code, from 100 to 999; 0 before the status line.
func (p *Parser) Status() int { return int(p.status) }

// KeepAlive says, once the response is complete, whether the connection may
// serve another request.
func (p *Parser) KeepAlive() bool { return p.phase == complete && p.flags&unusable == 0 }

// Feed takes the next bytes of the connection. It consumes at most all of them
// and stops at the end of the response or behind a part of its body, which it
// returns: a piece of data. Call it again with what is left until nothing is, or
// Done. After an error p is of no use before Begin.
func (p *Parser) Feed(data []byte) (consumed int, body []byte, err error) {
	for consumed < len(data) {
		rest := data[consumed:]
		switch p.phase {
		case complete:
			return consumed, nil, nil
		case inBody, inRest, inChunk:
			n, err := p.take(len(rest))
			return consumed + n, rest[:n], err
		default:
			n, err := p.feedLine(rest)
			consumed += n
			if err != nil {
				return consumed, nil, err
			}
		}
	}
	return consumed, nil, nil
}

// End says that the connection has ended. The result is nil if that completes
// the response, or it was complete; otherwise io.ErrUnexpectedEOF.
func (p *Parser) End() error {
	switch p.phase {
	case inRest:
		p.phase = complete
		return nil
	case complete:
		return nil
	default:
		return io.ErrUnexpectedEOF
	}
}

// take counts bytes of the body and says how many of those at hand belong to it.
func (p *Parser) take(available int) (int, error) {
	if p.phase == inRest {
		p.body += int64(available)
		if p.body > MaxBody {
			return available, ErrLargeBody
		}
		return available, nil
	}
	n := int(min(p.left, int64(available)))
	p.body += int64(n)
	if p.left -= int64(n); p.left > 0 {
		return n, nil
	}
	if p.phase == inChunk {
		p.phase = afterChunk
	} else {
		p.phase = complete
	}
	return n, nil
}

// feedLine takes the bytes up to the end of the line, and keeps them if it has
// not come yet.
func (p *Parser) feedLine(data []byte) (int, error) {
	end := bytes.IndexByte(data, '\n') + 1
	n := end
	if end == 0 {
		n = len(data)
	}
	if err := p.count(n); err != nil {
		return n, err
	}
	if end == 0 {
		p.line = append(p.line, data...)
		return n, nil
	}
	line := data[:n]
	if len(p.line) > 0 {
		p.line = append(p.line, line...)
		line, p.line = p.line, p.line[:0] // nothing is kept while the line is read
	}
	return n, p.endLine(line)
}

// count bounds what lines may cost.
func (p *Parser) count(n int) error {
	if p.phase == atChunk || p.phase == afterChunk {
		if len(p.line)+n > maxChunkLine {
			return ErrChunk
		}
		return nil
	}
	if p.head += int32(min(n, MaxHead+1)); p.head > MaxHead {
		return ErrLargeHead
	}
	return nil
}

// endLine reads a whole line, its LF included.
func (p *Parser) endLine(line []byte) error {
	line = line[:len(line)-1]
	bare := true
	if last := len(line) - 1; last >= 0 && line[last] == '\r' {
		line, bare = line[:last], false
	}
	switch p.phase {
	case atStatus:
		return p.readStatus(line)
	case atField:
		return p.readField(line)
	case atTrailer:
		if bare {
			return ErrField
		}
		return p.readTrailer(line)
	case afterChunk:
		if bare || len(line) > 0 {
			return ErrChunk
		}
		p.phase = atChunk
		return nil
	default:
		if bare {
			return ErrChunk
		}
		return p.readChunk(line)
	}
}
