package relay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/vmihailenco/msgpack/v5"
)

// What ZMTP 3.1 says of the wire.
const (
	greetingBytes = 64
	flagMore      = 1
	flagLong      = 2
	flagCommand   = 4
	shortest      = 255      // the longest body that has a length of one byte
	maxFrame      = 64 << 20 // longer is a fault of one of the two ends
)

var errFrame = errors.New("relay: not a ZMTP frame")

// readFrame reads one frame and returns it whole, and where its body begins.
func readFrame(from io.Reader) (frame []byte, body int, err error) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(from, head[:2]); err != nil {
		return nil, 0, err
	}
	length, body := uint64(head[1]), 2
	if head[0]&^(flagMore|flagLong|flagCommand) != 0 {
		return nil, 0, fmt.Errorf("%w: flags %#x", errFrame, head[0])
	}
	if head[0]&flagLong != 0 {
		if _, err := io.ReadFull(from, head[2:]); err != nil {
			return nil, 0, err
		}
		length, body = binary.BigEndian.Uint64(head[1:]), 9
	}
	if length > maxFrame {
		return nil, 0, fmt.Errorf("%w: %d bytes", errFrame, length)
	}
	frame = make([]byte, uint64(body)+length)
	copy(frame, head[:body])
	_, err = io.ReadFull(from, frame[body:])
	return frame, body, err
}

// makeFrame wraps a message.
func makeFrame(body []byte) []byte {
	if len(body) <= shortest {
		return append([]byte{0, byte(len(body))}, body...)
	}
	return append(binary.BigEndian.AppendUint64([]byte{flagLong}, uint64(len(body))), body...)
}

// decode reads Locust's array of type, data and node.
func decode(body []byte) (kind string, data any, node string, err error) {
	decoder := msgpack.NewDecoder(bytes.NewReader(body))
	// Statistics have whole numbers as keys.
	decoder.SetMapDecoder(func(d *msgpack.Decoder) (any, error) { return d.DecodeUntypedMap() })
	value, err := decoder.DecodeInterface()
	if err != nil {
		return "", nil, "", err
	}
	parts, ok := value.([]any)
	if !ok || len(parts) != 3 {
		return "", nil, "", fmt.Errorf("relay: a message is an array of three, this is %T of %d bytes", value, len(body))
	}
	kind, _ = parts[0].(string)
	node, _ = parts[2].(string)
	return kind, parts[1], node, nil
}

func encode(kind string, data any, node string) ([]byte, error) {
	return msgpack.Marshal([]any{kind, data, node})
}
