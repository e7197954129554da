package proto_test

import (
	"errors"
	"math"
	"testing"
	"unicode/utf8"

	"upsurge/worker/internal/proto"
)

func seed(f *testing.F) {
	for _, b := range captured(f, "*/*.msgpack") {
		f.Add(b)
	}
	for _, s := range []string{
		"", "\xc1", "\x93", "\x93\xa4stop\xc0\xa1n", "\x93\xa3ack\x81\xa5index\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1n",
		"\x93\xa1x\xdf\xff\xff\xff\xff", "\x93\xa1x\xc9\x00\x00\x00\x01\x05\x00\xa1n",
		"\x93\xa1x\x82\xac__ObjectId__\xc3\xa6as_str\xa1f\xa1n",
	} {
		f.Add([]byte(s))
	}
}

func FuzzDecode(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := proto.Decode(b)
		if err != nil {
			if m != nil || !errors.Is(err, proto.ErrMalformed) {
				t.Fatalf("got %v with error %v", m, err)
			}
			return
		}
		if !utf8.ValidString(proto.TypeOf(m)) {
			t.Fatalf("type %q", proto.TypeOf(m))
		}
		switch m := m.(type) {
		case proto.Ack:
			if m.Index < -1 {
				t.Fatalf("index %d", m.Index)
			}
		case proto.SpawningComplete:
			if m.UserCount < 0 {
				t.Fatalf("user count %d", m.UserCount)
			}
		case proto.Spawn:
			checkSpawn(t, m)
		}
	})
}

func checkSpawn(t *testing.T, m proto.Spawn) {
	t.Helper()
	if math.IsNaN(m.Timestamp) || math.IsInf(m.Timestamp, 0) || m.StopTimeout < 0 || m.UserClassesCount == nil {
		t.Fatalf("got %+v", m)
	}
	for class, count := range m.UserClassesCount {
		if count < 0 || !utf8.ValidString(class) {
			t.Fatalf("%d users of %q", count, class)
		}
	}
	if _, err := m.ParsedOptions.Decode(); err != nil {
		t.Fatalf("options of an accepted spawn: %v", err)
	}
}

// FuzzRawMap takes the data of any message through RawMap, and what comes
// out of it through the encoder and back.
func FuzzRawMap(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := proto.Decode(b)
		if err != nil {
			return
		}
		var raw proto.RawMap
		switch m := m.(type) {
		case proto.Spawn:
			raw = m.ParsedOptions
		case proto.UpdateUserClass:
			raw = proto.RawMap(m.Data)
		case proto.Custom:
			raw = proto.RawMap(m.Data)
		}
		options, err := raw.Decode()
		if err != nil {
			if _, isCustom := m.(proto.Custom); !isCustom {
				t.Fatalf("%T: %v", m, err)
			}
			return
		}
		again, err := proto.EncodeMap(options)
		if errors.Is(err, proto.ErrUnsendable) {
			return // it has a marker's key
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.Decode(); err != nil {
			t.Fatalf("what was encoded can't be decoded: %v", err)
		}
	})
}
