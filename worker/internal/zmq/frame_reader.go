package zmq

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// growStep is how much of a long body is believed before it has arrived: a
// peer that announces a long frame must send it to make this side hold it.
const growStep = 1 << 20

// frameReader takes frames off a stream. One goroutine.
type frameReader struct {
	source   *bufio.Reader
	maxFrame int
}

func newFrameReader(source io.Reader, maxFrame int) *frameReader {
	return &frameReader{source: bufio.NewReaderSize(source, 16<<10), maxFrame: maxFrame}
}

// next reads one frame. The body is the caller's own. At the end of the stream
// the error is io.EOF, or io.ErrUnexpectedEOF inside a frame.
func (r *frameReader) next() (header, []byte, error) {
	flags, err := r.source.Peek(1)
	if err != nil {
		return header{}, nil, err
	}
	size := headerSize(flags[0])
	raw, err := r.source.Peek(size)
	if err != nil {
		return header{}, nil, insideFrame(err)
	}
	h, err := parseHeader(raw, r.maxFrame)
	if err != nil {
		return header{}, nil, err
	}
	if _, err := r.source.Discard(size); err != nil {
		return header{}, nil, insideFrame(err)
	}
	body, err := r.body(h.size)
	return h, body, err
}

// body reads that many bytes.
func (r *frameReader) body(size int) ([]byte, error) {
	body := make([]byte, 0, min(size, growStep))
	for len(body) < size {
		step := min(size-len(body), growStep)
		have := len(body)
		body = append(body, make([]byte, step)...)
		if _, err := io.ReadFull(r.source, body[have:]); err != nil {
			return nil, insideFrame(err)
		}
	}
	return body, nil
}

// insideFrame says that a stream that ended did so within a frame.
func insideFrame(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("inside a frame: %w", err)
}
