package zmq

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"
)

func FuzzGreeting(f *testing.F) {
	f.Add(fromHex(f, routerGreeting))
	f.Add(clientGreeting())
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkGreeting(b) != nil {
			return
		}
		if len(b) != greetingSize || b[0] != 0xff || b[10] < 3 || string(b[12:17]) != "NULL\x00" {
			t.Errorf("accepted %x", b)
		}
	})
}

func FuzzReady(f *testing.F) {
	f.Add(fromHex(f, routerReady)[2:])
	f.Add(readyFrame("worker_1")[2:])
	f.Add([]byte("\x05ERROR\x07go away"))
	f.Add([]byte("\x05READY\x01a\xff\xff\xff\xffb"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if checkReady(body) == nil && !bytes.Contains(body, []byte("ROUTER")) {
			t.Errorf("accepted %q", body)
		}
	})
}

func FuzzCommand(f *testing.F) {
	f.Add(appendPing(nil, 15*time.Second, 7)[2:])
	f.Add(appendPong(nil, []byte("context"))[2:])
	f.Fuzz(func(t *testing.T, body []byte) {
		name, data, err := parseCommand(body)
		if err != nil {
			return
		}
		if again := append(appendName(nil, name), data...); !bytes.Equal(again, body) {
			t.Errorf("%x became %x", body, again)
		}
		context, err := parsePing(data)
		if err == nil && (len(context) > 16 || !bytes.HasSuffix(data, context)) {
			t.Errorf("context %x of %x", context, data)
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add(appendMessage(appendMessage(nil, []byte("one")), bytes.Repeat([]byte("x"), 300)))
	f.Add(appendPing(readyFrame("worker_1"), time.Second, 1<<63))
	f.Add([]byte{flagLong, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{flagLong, 0, 0, 0, 0, 0, 0x0f, 0xff, 0xff, 'a'})
	f.Add([]byte{flagCommand | flagMore, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 1 << 20
		reader := newFrameReader(bytes.NewReader(stream), limit)
		total := 0
		for {
			h, body, err := reader.next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrProtocol) {
					t.Errorf("unexpected kind of error: %v", err)
				}
				return
			}
			total += 2 + len(body)
			if len(body) != h.size || len(body) > limit || total > len(stream) {
				t.Fatalf("frame %+v with %d bytes, %d of %d taken", h, len(body), total, len(stream))
			}
		}
	})
}
