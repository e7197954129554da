package zmq

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// The wire format of ZMTP 3.1 (https://rfc.zeromq.org/spec/37/), as far as a
// DEALER with the NULL mechanism needs it. Nothing here does I/O.

// Layout of the greeting:
//
//	signature (10)  version (2)  mechanism (20)  as-server (1)  filler (31)
const (
	greetingSize  = 64
	signatureSize = 10
	mechanismAt   = 12
	mechanismSize = 20
)

// Bits of the flags byte of a frame. The others are reserved and zero.
const (
	flagMore    = 0x01 // another frame of the same message follows
	flagLong    = 0x02 // the length has 8 bytes, not 1
	flagCommand = 0x04 // a command, not a part of a message
)

const (
	maxShort   = 255     // longest body with a length of one byte
	maxHeader  = 9       // flags and a length of 8 bytes
	maxCommand = 8 << 10 // this package's own limit; a READY has about 50 bytes
)

const (
	commandReady = "READY"
	commandPing  = "PING"
	commandPong  = "PONG"
	commandError = "ERROR"

	propertySocketType = "Socket-Type"
	propertyIdentity   = "Identity"
)

// clientGreeting is the greeting of a client with the NULL mechanism.
func clientGreeting() []byte {
	var greeting [greetingSize]byte
	greeting[0] = 0xff
	greeting[9] = 0x7f
	greeting[10], greeting[11] = 3, 1
	copy(greeting[mechanismAt:], "NULL")
	return greeting[:]
}

// isSignature tells whether the first bytes of a greeting, as many as there
// are, are those of ZMTP 2.0 or later.
func isSignature(b []byte) bool {
	if len(b) > 0 && b[0] != 0xff {
		return false
	}
	// Bytes 1 to 8 are padding, in which old peers carry a length. The low bit
	// of byte 9 sets ZMTP apart from the framing of ZMTP 1.0.
	return len(b) < signatureSize || b[9]&0x01 != 0
}

// checkGreeting tells whether a complete greeting is of a peer to talk to: any
// ZMTP 3 with the NULL mechanism. libzmq calls itself 3.0 up to 4.3.2 and
// answers PING nevertheless.
func checkGreeting(greeting []byte) error {
	if len(greeting) != greetingSize || !isSignature(greeting) {
		return fmt.Errorf("%w: first bytes %q", ErrNotZeroMQ, greeting[:min(len(greeting), signatureSize)])
	}
	if greeting[10] < 3 {
		return versionError(greeting[10])
	}
	mechanism := string(bytes.TrimRight(greeting[mechanismAt:mechanismAt+mechanismSize], "\x00"))
	if mechanism != "NULL" {
		return fmt.Errorf("%w: it offers %q, this worker has NULL only; switch security off at the master",
			ErrMechanism, mechanism)
	}
	return nil
}

// versionError says that the revision byte of a greeting is too old.
func versionError(revision byte) error {
	return fmt.Errorf("%w: revision %d of its greeting, ZMTP 3 needed (libzmq 4.0 or later)", ErrVersion, revision)
}

// header is the start of a frame.
type header struct {
	flags byte
	size  int // of the body
}

func (h header) more() bool    { return h.flags&flagMore != 0 }
func (h header) command() bool { return h.flags&flagCommand != 0 }

// headerSize is the number of bytes a frame's header has, by its first byte.
func headerSize(flags byte) int {
	if flags&flagLong != 0 {
		return maxHeader
	}
	return 2
}

// parseHeader reads a frame header from b, which holds at least
// headerSize(b[0]) bytes. A body longer than maxFrame is an error, as is a
// command longer than this package's own limit.
func parseHeader(b []byte, maxFrame int) (header, error) {
	h := header{flags: b[0]}
	if h.flags&^(flagMore|flagLong|flagCommand) != 0 {
		return header{}, fmt.Errorf("%w: reserved bits in frame flags 0x%02x", ErrProtocol, h.flags)
	}
	if h.command() && h.more() {
		return header{}, fmt.Errorf("%w: command in more than one frame", ErrProtocol)
	}
	size := uint64(b[1])
	if h.flags&flagLong != 0 {
		size = binary.BigEndian.Uint64(b[1:maxHeader])
	}
	limit := maxFrame
	if h.command() {
		limit = maxCommand
	}
	if size > uint64(limit) {
		return header{}, fmt.Errorf("%w: frame of %d bytes, the limit is %d", ErrProtocol, size, limit)
	}
	h.size = int(size)
	return h, nil
}

// appendHeader appends the header of a frame with that many bytes. Hot path.
func appendHeader(dst []byte, flags byte, size int) []byte {
	if size <= maxShort {
		return append(dst, flags, byte(size))
	}
	dst = append(dst, flags|flagLong)
	return binary.BigEndian.AppendUint64(dst, uint64(size))
}

// appendMessage appends a message of one frame. Hot path: it allocates only
// when dst must grow.
func appendMessage(dst, body []byte) []byte {
	return append(appendHeader(dst, 0, len(body)), body...)
}

// readyFrame is the READY command of a DEALER.
func readyFrame(identity string) []byte {
	const perProperty = 1 + 4 // length of the name, length of the value
	const socketType = "DEALER"
	size := 1 + len(commandReady) +
		perProperty + len(propertySocketType) + len(socketType) +
		perProperty + len(propertyIdentity) + len(identity)
	dst := appendHeader(nil, flagCommand, size)
	dst = appendName(dst, commandReady)
	dst = appendProperty(dst, propertySocketType, socketType)
	return appendProperty(dst, propertyIdentity, identity)
}

func appendName(dst []byte, name string) []byte {
	return append(append(dst, byte(len(name))), name...)
}

func appendProperty(dst []byte, name, value string) []byte {
	dst = appendName(dst, name)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}

// countSize is the length of the context of this package's PINGs.
const countSize = 8

// appendPing appends a PING whose context is the number of messages that went
// before it. The peer answers with a PONG that repeats the context, and closes
// the connection when it reads nothing more for ttl.
func appendPing(dst []byte, ttl time.Duration, written uint64) []byte {
	dst = appendHeader(dst, flagCommand, 1+len(commandPing)+2+countSize)
	dst = appendName(dst, commandPing)
	dst = binary.BigEndian.AppendUint16(dst, uint16(ttl/ttlUnit))
	return binary.BigEndian.AppendUint64(dst, written)
}

// parsePong returns the number of messages that the PONG's PING counted; false
// if it answers no PING of this package.
func parsePong(data []byte) (written uint64, ok bool) {
	if len(data) != countSize {
		return 0, false
	}
	return binary.BigEndian.Uint64(data), true
}

// appendPong appends the answer to a PING with that context.
func appendPong(dst, context []byte) []byte {
	dst = appendHeader(dst, flagCommand, 1+len(commandPong)+len(context))
	dst = appendName(dst, commandPong)
	return append(dst, context...)
}

// parseCommand splits the body of a command frame.
func parseCommand(body []byte) (name string, data []byte, err error) {
	if len(body) == 0 || len(body) < 1+int(body[0]) {
		return "", nil, fmt.Errorf("%w: command of %d bytes is cut short", ErrProtocol, len(body))
	}
	end := 1 + int(body[0])
	return string(body[1:end]), body[end:], nil
}

// parsePing returns the context of a PING, which a PONG must repeat.
func parsePing(data []byte) (context []byte, err error) {
	const ttlSize, maxContext = 2, 16
	if len(data) < ttlSize || len(data) > ttlSize+maxContext {
		return nil, fmt.Errorf("%w: PING with %d bytes of data", ErrProtocol, len(data))
	}
	return data[ttlSize:], nil
}

// checkReady tells whether the first command of a peer is the READY of a
// ROUTER.
func checkReady(body []byte) error {
	name, data, err := parseCommand(body)
	switch {
	case err != nil:
		return err
	case name == commandError:
		return fmt.Errorf("%w: handshake refused: %q", ErrProtocol, errorReason(data))
	case name != commandReady:
		return fmt.Errorf("%w: command %q where READY is due", ErrProtocol, name)
	}
	socketType, err := findProperty(data, propertySocketType)
	if err != nil {
		return err
	}
	if socketType != "ROUTER" {
		return fmt.Errorf("%w but %q; is this the port for workers (5557)?", ErrSocketType, socketType)
	}
	return nil
}

// errorReason is the text of an ERROR command, as much of it as there is.
func errorReason(data []byte) []byte {
	if len(data) == 0 {
		return nil
	}
	return data[1:min(len(data), 1+int(data[0]))]
}

// findProperty walks the metadata of a READY to its end, which must be well
// formed, and returns the last value of a property; names ignore case.
func findProperty(data []byte, wanted string) (value string, err error) {
	for len(data) > 0 {
		nameEnd := 1 + int(data[0])
		if len(data) < nameEnd+4 {
			return "", fmt.Errorf("%w: READY is cut short", ErrProtocol)
		}
		size := uint64(binary.BigEndian.Uint32(data[nameEnd:]))
		rest := data[nameEnd+4:]
		if size > uint64(len(rest)) {
			return "", fmt.Errorf("%w: READY is cut short", ErrProtocol)
		}
		if strings.EqualFold(string(data[1:nameEnd]), wanted) {
			value = string(rest[:size])
		}
		data = rest[size:]
	}
	return value, nil
}
