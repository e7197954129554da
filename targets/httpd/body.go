package httpd

import (
	"bytes"
	"errors"
)

const (
	// MaxRequestBody is the largest request body that is accepted.
	MaxRequestBody = 16 << 20

	maxChunkLine = 4 << 10  // a chunk's size line, extensions included
	maxTrailers  = 16 << 10 // all trailers together
)

var (
	errBodyTooLarge = errors.New("request body too large")
	errBadChunk     = errors.New("malformed chunked request body")
)

type bodyState uint8

const (
	bodyDone       bodyState = iota
	bodyFixed                // left bytes follow
	chunkSizeStart           // a digit must follow
	chunkSize                // digits, then an extension or the line's end
	chunkExtension           // up to the line's end
	chunkSizeEnd             // LF must follow
	chunkData                // left bytes follow
	chunkDataCR              // CR must follow
	chunkDataLF              // LF must follow
	trailerStart             // first byte of a trailer line, or CR of the last
	trailerLine              // up to the line's end
	trailerEnd               // LF must follow
)

// body follows the framing of one request body and drops what is in it. It
// does no I/O: bytes come in as they were read.
type body struct {
	state bodyState
	left  int64 // bytes of this chunk or of the body
	total int64 // chunked: bytes announced so far
	line  int   // length of the size line or of the trailers so far
}

// start prepares for a body of the given length: -1 means chunked, other
// negative values none, as in fasthttp's RequestHeader.ContentLength.
func (b *body) start(contentLength int) error {
	*b = body{}
	switch {
	case contentLength > MaxRequestBody:
		return errBodyTooLarge
	case contentLength > 0:
		b.state, b.left = bodyFixed, int64(contentLength)
	case contentLength == -1:
		b.state = chunkSizeStart
	}
	return nil
}

func (b *body) done() bool { return b.state == bodyDone }

// skip consumes what belongs to the body and returns how many bytes that was:
// all of data, unless the body ends before.
func (b *body) skip(data []byte) (int, error) {
	for i := 0; i < len(data); {
		switch b.state {
		case bodyDone:
			return i, nil
		case bodyFixed, chunkData:
			n := min(b.left, int64(len(data)-i))
			i += int(n)
			if b.left -= n; b.left == 0 {
				b.endData()
			}
		case chunkExtension, trailerLine:
			n, err := b.skipLine(data[i:])
			if err != nil {
				return i, err
			}
			i += n
		default:
			if err := b.step(data[i]); err != nil {
				return i, err
			}
			i++
		}
	}
	return len(data), nil
}

func (b *body) endData() {
	if b.state == bodyFixed {
		b.state = bodyDone
	} else {
		b.state = chunkDataCR
	}
}

// skipLine consumes up to and including the next LF.
func (b *body) skipLine(data []byte) (int, error) {
	n := bytes.IndexByte(data, '\n') + 1
	ended := n > 0
	if !ended {
		n = len(data)
	}
	b.line += n
	limit := maxChunkLine
	if b.state == trailerLine {
		limit = maxTrailers
	}
	switch {
	case b.line > limit:
		return 0, errBadChunk
	case ended && b.state == chunkExtension:
		b.endSizeLine()
	case ended:
		b.state = trailerStart
	}
	return n, nil
}

// step consumes one byte in the states that look at single bytes.
func (b *body) step(c byte) error {
	switch b.state {
	case chunkSizeStart:
		b.left, b.line = 0, 0
		b.state = chunkSize
		return b.digit(c)
	case chunkSize:
		switch c {
		case '\r':
			b.state = chunkSizeEnd
		case '\n':
			b.endSizeLine()
		case ';', ' ', '\t':
			b.state = chunkExtension
		default:
			return b.digit(c)
		}
		return nil
	case trailerStart:
		switch c {
		case '\r':
			b.state = trailerEnd
		case '\n':
			b.state = bodyDone
		default:
			b.line++
			b.state = trailerLine
		}
		return nil
	case chunkDataCR:
		if c == '\n' { // a bare LF ends lines everywhere else, too
			b.state = chunkSizeStart
			return nil
		}
		return b.expect(c, '\r', chunkDataLF)
	case chunkDataLF:
		return b.expect(c, '\n', chunkSizeStart)
	case trailerEnd:
		return b.expect(c, '\n', bodyDone)
	default: // chunkSizeEnd
		if c != '\n' {
			return errBadChunk
		}
		b.endSizeLine()
		return nil
	}
}

func (b *body) expect(c, want byte, next bodyState) error {
	if c != want {
		return errBadChunk
	}
	b.state = next
	return nil
}

// digit adds a hexadecimal digit to the size of the chunk. Sizes stop at the
// body's limit, long before they could overflow; leading zeros count in the
// line's length.
func (b *body) digit(c byte) error {
	var value int64
	switch {
	case c >= '0' && c <= '9':
		value = int64(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		value = int64(c|0x20-'a') + 10
	default:
		return errBadChunk
	}
	b.left = b.left<<4 | value
	if b.line++; b.line > maxChunkLine {
		return errBadChunk
	}
	if b.total+b.left > MaxRequestBody {
		return errBodyTooLarge
	}
	return nil
}

func (b *body) endSizeLine() {
	b.total += b.left
	if b.left == 0 {
		b.state, b.line = trailerStart, 0
	} else {
		b.state = chunkData
	}
}
