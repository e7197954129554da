package relay

import (
	"bytes"
	"testing"
)

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 3, 1, 2, 3})
	f.Add([]byte{flagLong, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2})
	f.Add([]byte{flagLong, 0xff, 0, 0, 0, 0, 0, 0, 2, 1, 2})
	f.Add([]byte{0x80, 1, 2})
	f.Fuzz(func(t *testing.T, wire []byte) {
		frame, body, err := readFrame(bytes.NewReader(wire))
		if err != nil {
			return
		}
		if !bytes.HasPrefix(wire, frame) || body > len(frame) {
			t.Errorf("%x is read as %x with its body at %d", wire, frame, body)
		}
	})
}

func TestFrameRoundTrip(t *testing.T) {
	for _, length := range []int{0, 1, 255, 256, 70000} {
		message := bytes.Repeat([]byte{7}, length)
		frame, body, err := readFrame(bytes.NewReader(makeFrame(message)))
		if err != nil || !bytes.Equal(frame[body:], message) {
			t.Errorf("%d bytes came back as %d: %v", length, len(frame)-body, err)
		}
	}
}

func TestDecode(t *testing.T) {
	body, err := encode("stats", map[string]any{"user_classes_count": map[string]any{"A": 3, "B": 300}}, "host_1")
	if err != nil {
		t.Fatal(err)
	}
	var m Message
	m.Type, m.Data, m.Node, err = decode(body)
	classes, sum, ok := m.Users()
	if err != nil || m.Type != "stats" || m.Node != "host_1" || !ok || sum != 303 || classes["B"] != 300 {
		t.Errorf("%+v, users %v %d %v, %v", m, classes, sum, ok, err)
	}
	if _, _, _, err := decode([]byte{0x93, 1}); err == nil {
		t.Error("half a message was accepted")
	}
}
