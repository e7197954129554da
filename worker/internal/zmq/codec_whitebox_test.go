package zmq

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// What libzmq 4.3.5 sends as a ROUTER, recorded on loopback.
const (
	routerGreeting = "ff00000000000000017f0301" + "4e554c4c" + "00000000000000000000000000000000" + "00" +
		"00000000000000000000000000000000000000000000000000000000000000"
	routerReady = "0429" + "055245414459" +
		"0b536f636b65742d54797065" + "00000006" + "524f55544552" +
		"084964656e74697479" + "00000000"
)

func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGreeting(t *testing.T) {
	good := fromHex(t, routerGreeting)
	with := func(at int, b ...byte) []byte {
		changed := bytes.Clone(good)
		copy(changed[at:], b)
		return changed
	}
	for _, c := range []struct {
		name     string
		greeting []byte
		want     error
	}{
		{name: "libzmq ROUTER", greeting: good},
		{name: "own", greeting: clientGreeting()},
		{name: "3.0 of libzmq 4.2", greeting: with(11, 0)},
		{name: "later minor version", greeting: with(11, 9)},
		{name: "later major version", greeting: with(10, 4)},
		{name: "ZMTP 2.0", greeting: with(10, 1), want: ErrVersion},
		{name: "PLAIN", greeting: with(mechanismAt, []byte("PLAIN")...), want: ErrMechanism},
		{name: "CURVE", greeting: with(mechanismAt, []byte("CURVE")...), want: ErrMechanism},
		{name: "no mechanism", greeting: with(mechanismAt, 0, 0, 0, 0), want: ErrMechanism},
		{name: "no signature", greeting: with(0, 'H'), want: ErrNotZeroMQ},
		{name: "ZMTP 1.0 framing", greeting: with(9, 0), want: ErrNotZeroMQ},
		{name: "short", greeting: good[:63], want: ErrNotZeroMQ},
		{name: "empty", greeting: nil, want: ErrNotZeroMQ},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := checkGreeting(c.greeting); !errors.Is(err, c.want) {
				t.Errorf("checkGreeting: %v, want %v", err, c.want)
			}
		})
	}
}

func TestReady(t *testing.T) {
	ready := func(properties ...string) []byte {
		body := appendName(nil, commandReady)
		for i := 0; i < len(properties); i += 2 {
			body = appendProperty(body, properties[i], properties[i+1])
		}
		return body
	}
	for _, c := range []struct {
		name string
		body []byte
		want error
		text string // in the error
	}{
		{name: "libzmq ROUTER", body: fromHex(t, routerReady)[2:]},
		{name: "name in other case", body: ready("socket-TYPE", "ROUTER")},
		{name: "more properties", body: ready("X-Colour", "blue", "Socket-Type", "ROUTER", "Identity", "")},
		{name: "PUB", body: ready("Socket-Type", "PUB"), want: ErrSocketType, text: `"PUB"`},
		{name: "DEALER", body: ready("Socket-Type", "DEALER"), want: ErrSocketType},
		{name: "no type", body: ready("Identity", "a"), want: ErrSocketType},
		{name: "ERROR", body: append(appendName(nil, commandError), "\x07go away"...), want: ErrProtocol, text: "go away"},
		{name: "ERROR cut short", body: append(appendName(nil, commandError), "\xffno"...), want: ErrProtocol, text: "no"},
		{name: "ERROR without reason", body: appendName(nil, commandError), want: ErrProtocol},
		{name: "other command", body: appendName(nil, "HELLO"), want: ErrProtocol, text: "HELLO"},
		{name: "empty", body: nil, want: ErrProtocol},
		{name: "name cut short", body: []byte("\x05REA"), want: ErrProtocol},
		{name: "property name cut short", body: append(appendName(nil, commandReady), 11, 'S'), want: ErrProtocol},
		{name: "value cut short", body: append(ready(), "\x01a\x00\x00\x00\x05bc"...), want: ErrProtocol},
		{name: "value of 4 GiB", body: append(ready(), "\x01a\xff\xff\xff\xffbc"...), want: ErrProtocol},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := checkReady(c.body)
			if !errors.Is(err, c.want) {
				t.Fatalf("checkReady: %v, want %v", err, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %q does not mention %q", err, c.text)
			}
		})
	}
}

func TestOwnReadyIsWellFormed(t *testing.T) {
	for _, identity := range []string{"", "a", strings.Repeat("i", 255)} {
		reader := newFrameReader(bytes.NewReader(readyFrame(identity)), maxCommand)
		h, body, err := reader.next()
		if err != nil || !h.command() {
			t.Fatalf("identity of %d bytes: header %+v, error %v", len(identity), h, err)
		}
		name, data, err := parseCommand(body)
		if err != nil || name != commandReady {
			t.Fatalf("command %q, error %v", name, err)
		}
		for property, want := range map[string]string{propertySocketType: "DEALER", propertyIdentity: identity} {
			if got, err := findProperty(data, property); got != want || err != nil {
				t.Errorf("%s is %q, %v; want %q", property, got, err, want)
			}
		}
		if _, _, err := reader.next(); !errors.Is(err, io.EOF) {
			t.Errorf("after READY: %v, want the end", err)
		}
	}
}

func TestHeader(t *testing.T) {
	const limit = 100_000
	for _, c := range []struct {
		name string
		raw  string
		want header
		err  error
	}{
		{name: "empty message", raw: "0000", want: header{}},
		{name: "short", raw: "00ff", want: header{size: 255}},
		{name: "long", raw: "020000000000000100", want: header{flags: flagLong, size: 256}},
		{name: "long form of a short length", raw: "020000000000000001", want: header{flags: flagLong, size: 1}},
		{name: "more", raw: "0105", want: header{flags: flagMore, size: 5}},
		{name: "command", raw: "0405", want: header{flags: flagCommand, size: 5}},
		{name: "at the limit", raw: "0200000000000186a0", want: header{flags: flagLong, size: limit}},
		{name: "over the limit", raw: "0200000000000186a1", err: ErrProtocol},
		{name: "negative length", raw: "02ffffffffffffffff", err: ErrProtocol},
		{name: "command over its limit", raw: "060000000000002001", err: ErrProtocol},
		{name: "command with more", raw: "0505", err: ErrProtocol},
		{name: "reserved bit", raw: "0805", err: ErrProtocol},
		{name: "text", raw: hex.EncodeToString([]byte("HTTP/1.1 ")), err: ErrProtocol},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseHeader(fromHex(t, c.raw), limit)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("parseHeader: %+v, %v; want %+v, %v", got, err, c.want, c.err)
			}
		})
	}
}

func TestFramesByteByByte(t *testing.T) {
	bodies := [][]byte{
		{},
		[]byte("a"), bytes.Repeat([]byte("b"), 255), bytes.Repeat([]byte("c"), 256),
		bytes.Repeat([]byte("d"), 70_000), bytes.Repeat([]byte("e"), growStep+1),
	}
	var stream []byte
	for _, body := range bodies {
		stream = appendMessage(stream, body)
	}
	reader := newFrameReader(iotest.HalfReader(bytes.NewReader(stream)), 2*growStep)
	for i, want := range bodies {
		h, got, err := reader.next()
		if err != nil || h.command() || h.more() || !bytes.Equal(got, want) {
			t.Fatalf("frame %d: header %+v, %d bytes, error %v; want %d bytes", i, h, len(got), err, len(want))
		}
	}
	if _, _, err := reader.next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last frame: %v, want the end", err)
	}
}

func TestStreamEndsInsideFrame(t *testing.T) {
	whole := appendMessage(nil, bytes.Repeat([]byte("x"), 300))
	for _, size := range []int{1, 5, 9, 10, len(whole) - 1} {
		_, _, err := newFrameReader(bytes.NewReader(whole[:size]), 1000).next()
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d of %d bytes: %v, want an unexpected end", size, len(whole), err)
		}
	}
}

func TestPingBytes(t *testing.T) {
	// From the text of ZMTP 3.1: PING = %d4 "PING" ping-ttl ping-context.
	want := "040f" + "0450494e47" + "0096" + "0000000000000102"
	if got := hex.EncodeToString(appendPing(nil, 15*time.Second, 258)); got != want {
		t.Errorf("PING is %s, want %s", got, want)
	}
	want = "0408" + "04504f4e47" + "616263"
	if got := hex.EncodeToString(appendPong(nil, []byte("abc"))); got != want {
		t.Errorf("PONG is %s, want %s", got, want)
	}
}

func TestParsePong(t *testing.T) {
	for _, c := range []struct {
		name, data string
		written    uint64
		ok         bool
	}{
		{name: "own", data: "\x00\x00\x00\x00\x00\x00\x01\x02", written: 258, ok: true},
		{name: "no context", data: ""},
		{name: "another's context", data: "abc"},
		{name: "longest context", data: "0123456789abcdef"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if written, ok := parsePong([]byte(c.data)); written != c.written || ok != c.ok {
				t.Errorf("parsePong: %d, %v; want %d, %v", written, ok, c.written, c.ok)
			}
		})
	}
}

func TestParsePing(t *testing.T) {
	for _, c := range []struct {
		name, data, context string
		want                error
	}{
		{name: "no context", data: "\x00\x96"},
		{name: "context", data: "\x00\x96abc", context: "abc"},
		{name: "longest context", data: "\x00\x960123456789abcdef", context: "0123456789abcdef"},
		{name: "too long", data: "\x00\x960123456789abcdefg", want: ErrProtocol},
		{name: "no TTL", data: "\x00", want: ErrProtocol},
	} {
		t.Run(c.name, func(t *testing.T) {
			context, err := parsePing([]byte(c.data))
			if string(context) != c.context || !errors.Is(err, c.want) {
				t.Errorf("parsePing: %q, %v; want %q, %v", context, err, c.context, c.want)
			}
		})
	}
}

func TestEncodeAllocatesNothing(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 1000)
	buffer := make([]byte, 0, 4096)
	allocations := testing.AllocsPerRun(100, func() {
		buffer = appendMessage(buffer[:0], body)
		buffer = appendPing(buffer, 15*time.Second, 7)
		buffer = appendPong(buffer, body[:16])
	})
	if allocations != 0 {
		t.Errorf("encoding allocates %v times, want 0", allocations)
	}
}

func BenchmarkEncode(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1000)
	buffer := make([]byte, 0, 4096)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		buffer = appendMessage(buffer[:0], body)
		buffer = appendPing(buffer, 15*time.Second, 7)
	}
}

func BenchmarkDecode(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1000)
	stream := appendMessage(nil, body)
	source := bytes.NewReader(stream)
	reader := newFrameReader(source, 1<<20)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		source.Reset(stream)
		if _, _, err := reader.next(); err != nil {
			b.Fatal(err)
		}
	}
}
