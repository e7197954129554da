package proto_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"upsurge/worker/internal/proto"
)

// captured returns what testdata/capture.py stored from real masters, by
// release and kind.
func captured(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "captured", filepath.FromSlash(pattern)))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatalf("no captured message matches %q; run testdata/capture.py", pattern)
	}
	messages := map[string][]byte{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		messages[filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path)] = b
	}
	return messages
}

// encode makes a message that no master would have to have sent.
func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := msgpack.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeWhatRealMastersSend(t *testing.T) {
	type step struct {
		pattern string
		want    proto.Message
	}
	for _, s := range []step{
		{pattern: "*/ack.msgpack", want: proto.Ack{Index: 0}},
		{pattern: "*/stop.msgpack", want: proto.Stop{}},
		{pattern: "*/*quit.msgpack", want: proto.Quit{}},
		{pattern: "*/reconnect.msgpack", want: proto.Reconnect{}},
		{pattern: "*/heartbeat.msgpack", want: proto.Heartbeat{}},
		{pattern: "*/spawning_complete.msgpack", want: proto.SpawningComplete{UserCount: 4}},
	} {
		for name, b := range captured(t, s.pattern) {
			t.Run(name, func(t *testing.T) {
				got, err := proto.Decode(b)
				if err != nil {
					t.Fatal(err)
				}
				if got != s.want {
					t.Errorf("got %#v, want %#v", got, s.want)
				}
			})
		}
	}
}

func TestDecodeSpawnOfRealMasters(t *testing.T) {
	type step struct {
		pattern     string
		counts      map[string]int
		host        string
		stopTimeout time.Duration
	}
	for _, s := range []step{
		{
			pattern: "*/spawn_0.msgpack", host: "tcp://10.0.0.2:9001", stopTimeout: 2 * time.Second,
			counts: map[string]int{"TcpHoldUser": 1, "HttpQpsUser": 1, "ChatUser": 0},
		},
		{
			pattern: "*/spawn_1.msgpack", host: "tcp://10.0.0.2:9001", stopTimeout: 2 * time.Second,
			counts: map[string]int{"TcpHoldUser": 1, "HttpQpsUser": 2, "ChatUser": 1},
		},
		{
			pattern: "*/headless_spawn.msgpack", // host nil; stop_timeout nil in 2.12, 0.0 later
			counts:  map[string]int{"TcpHoldUser": 1, "HttpQpsUser": 1, "ChatUser": 1},
		},
	} {
		for name, b := range captured(t, s.pattern) {
			t.Run(name, func(t *testing.T) {
				m, err := proto.Decode(b)
				if err != nil {
					t.Fatal(err)
				}
				spawn := m.(proto.Spawn)
				if !maps.Equal(spawn.UserClassesCount, s.counts) {
					t.Errorf("counts %v, want %v", spawn.UserClassesCount, s.counts)
				}
				if spawn.Host != s.host || spawn.StopTimeout != s.stopTimeout {
					t.Errorf("host %q stop timeout %v, want %q %v", spawn.Host, spawn.StopTimeout, s.host, s.stopTimeout)
				}
				if spawn.Timestamp < 1.7e9 || spawn.Timestamp == float64(int64(spawn.Timestamp)) {
					t.Errorf("timestamp %v has lost its fraction", spawn.Timestamp)
				}
				checkOptions(t, spawn.ParsedOptions)
			})
		}
	}
}

func checkOptions(t *testing.T, raw proto.RawMap) {
	t.Helper()
	options, err := raw.Decode()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"upsurge_payload": int64(64),
		"upsurge_rate":    0.5,
		"upsurge_text":    "grüß dich",
		"upsurge_check":   true,
		"upsurge_sources": []string{"127.0.0.2", "127.0.0.3"},
		"upsurge_nothing": nil,
		"upsurge_secret":  "golden secret",
		"master":          true,
		"reset_stats":     false,
	} {
		if got, ok := options[name]; !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("option %s: got %#v (present: %v), want %#v", name, got, ok, want)
		}
	}
}

func TestDecodeUpdateUserClassOfRealMaster(t *testing.T) {
	for name, b := range captured(t, "*/update_user_class.msgpack") {
		m, err := proto.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		update := m.(proto.UpdateUserClass)
		data, err := update.Data.Decode()
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"user_class_name": "HttpQpsUser", "weight": int64(5)}
		if update.ClassName != "HttpQpsUser" || !reflect.DeepEqual(data, want) {
			t.Errorf("%s: got %q %v, want HttpQpsUser %v", name, update.ClassName, data, want)
		}
	}
}

func TestDecodeCustomOfRealMasters(t *testing.T) {
	for name, b := range captured(t, "*/upsurge_values.msgpack") {
		t.Run(name, func(t *testing.T) {
			m, err := proto.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			custom := m.(proto.Custom)
			got, err := custom.Data.Decode()
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]any{
				"text": "x", "none": nil, "yes": true, "integer": int64(-5), "large": uint64(1<<63 + 1),
				"fraction": 0.25, "texts": []string{"a", "b"}, "mixed": []any{int64(1), "b", nil},
				"nested":   map[string]any{"a": map[string]any{"b": []any{int64(1)}}},
				"integers": map[string]any{"1": "one", "-2": "minus two"}, "bytes": "raw",
			}
			if strings.HasPrefix(name, "2.47") {
				want["moment"] = "20260822T00:44:41.000000"
			}
			if custom.Type != "upsurge_values" || !reflect.DeepEqual(got, want) {
				t.Errorf("got %q %v\nwant %v", custom.Type, got, want)
			}
		})
	}
}

func TestDecodeToleratesWhatMastersVary(t *testing.T) {
	counts := map[string]int{"A": 1}
	type step struct {
		name string
		data any
		kind string
		want proto.Message
	}
	for _, s := range []step{
		{name: "ack of a master before 2.11", kind: "ack", want: proto.Ack{Index: -1}},
		{name: "ack without an index", kind: "ack", data: map[string]any{"other": 1}, want: proto.Ack{Index: -1}},
		{
			name: "integer timestamp and timeout", kind: "spawn",
			data: map[string]any{"timestamp": 5, "user_classes_count": counts, "stop_timeout": 3},
			want: proto.Spawn{Timestamp: 5, UserClassesCount: counts, StopTimeout: 3 * time.Second},
		},
		{
			name: "counts as floats, fields that are new", kind: "spawn",
			data: map[any]any{"timestamp": 5.5, "user_classes_count": map[string]float64{"A": 1}, "new": []int{1}, 7: 7},
			want: proto.Spawn{Timestamp: 5.5, UserClassesCount: counts},
		},
		{
			name: "timeout beyond a duration", kind: "spawn",
			data: map[string]any{"timestamp": 5.5, "user_classes_count": counts, "stop_timeout": 1e300},
			want: proto.Spawn{Timestamp: 5.5, UserClassesCount: counts, StopTimeout: 1<<63 - 1},
		},
		{
			name: "timeout of a microsecond", kind: "spawn",
			data: map[string]any{"timestamp": 5.5, "user_classes_count": counts, "stop_timeout": 1e-6, "parsed_options": nil},
			want: proto.Spawn{Timestamp: 5.5, UserClassesCount: counts, StopTimeout: time.Microsecond},
		},
		{name: "data where none is due", kind: "stop", data: []int{1}, want: proto.Stop{}},
	} {
		t.Run(s.name, func(t *testing.T) {
			got, err := proto.Decode(encode(t, []any{s.kind, s.data, "n_1"}))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, s.want) {
				t.Errorf("got %#v\nwant %#v", got, s.want)
			}
		})
	}
}

func TestDecodeNamesTheFieldAtFault(t *testing.T) {
	spawn := func(change func(map[string]any)) []any {
		data := map[string]any{"timestamp": 5.5, "user_classes_count": map[string]any{"A": 1}}
		change(data)
		return []any{"spawn", data, "n_1"}
	}
	manyClasses := map[string]int{}
	for i := range 5000 {
		manyClasses[strings.Repeat("A", i%70)+string(rune('a'+i/70))] = 1
	}
	type step struct {
		name    string
		message any
		want    string
	}
	for _, s := range []step{
		{name: "no array", message: map[string]int{"a": 1}, want: "array of three"},
		{name: "two elements", message: []any{"stop", nil}, want: "array of three"},
		{name: "four elements", message: []any{"stop", nil, "n", 1}, want: "array of three"},
		{name: "type is a number", message: []any{1, nil, "n"}, want: "type: is integer, not string"},
		{name: "type is no UTF-8", message: []any{"st\xff", nil, "n"}, want: "type: is not valid UTF-8"},
		{name: "type is long", message: []any{strings.Repeat("a", 300), nil, "n"}, want: "type: has 300 bytes"},
		{name: "ack index is text", message: []any{"ack", map[string]any{"index": "0"}, "n"}, want: "index: is string, not a number"},
		{name: "ack index is negative", message: []any{"ack", map[string]any{"index": -2}, "n"}, want: "index: is not between"},
		{name: "ack data is text", message: []any{"ack", "0", "n"}, want: "data is string, not map"},
		{name: "spawn without data", message: []any{"spawn", nil, "n"}, want: "data is nil, not map"},
		{name: "timestamp missing", message: spawn(func(m map[string]any) { delete(m, "timestamp") }), want: "timestamp is missing"},
		{name: "timestamp nil", message: spawn(func(m map[string]any) { m["timestamp"] = nil }), want: "timestamp: is nil"},
		{name: "timestamp NaN", message: spawn(func(m map[string]any) { m["timestamp"] = nan }), want: "timestamp: is not finite"},
		{name: "counts missing", message: spawn(func(m map[string]any) { delete(m, "user_classes_count") }), want: "user_classes_count is missing"},
		{name: "counts nil", message: spawn(func(m map[string]any) { m["user_classes_count"] = nil }), want: "user_classes_count: is nil"},
		{name: "count negative", message: spawn(func(m map[string]any) { m["user_classes_count"] = map[string]int{"A": -1} }), want: `user_classes_count: "A": is not between`},
		{name: "count fractional", message: spawn(func(m map[string]any) { m["user_classes_count"] = map[string]float64{"A": .5} }), want: `"A": is not a whole number`},
		{name: "class is a number", message: spawn(func(m map[string]any) { m["user_classes_count"] = map[int]int{1: 1} }), want: "class name: is integer"},
		{name: "many classes", message: spawn(func(m map[string]any) { m["user_classes_count"] = manyClasses }), want: "classes are more than"},
		{name: "host is a number", message: spawn(func(m map[string]any) { m["host"] = 5 }), want: "host: is integer"},
		{name: "host is long", message: spawn(func(m map[string]any) { m["host"] = strings.Repeat("h", 5000) }), want: "host: has 5000 bytes"},
		{name: "timeout is text", message: spawn(func(m map[string]any) { m["stop_timeout"] = "3" }), want: "stop_timeout: is string"},
		{name: "timeout negative", message: spawn(func(m map[string]any) { m["stop_timeout"] = -1.0 }), want: "stop_timeout: is negative"},
		{name: "options are a list", message: spawn(func(m map[string]any) { m["parsed_options"] = []int{} }), want: "parsed_options: is array"},
		{name: "user_count missing", message: []any{"spawning_complete", map[string]int{}, "n"}, want: "user_count is missing"},
		{name: "user_count is text", message: []any{"spawning_complete", map[string]any{"user_count": "4"}, "n"}, want: "user_count: is string"},
		{name: "class to update missing", message: []any{"update_user_class", map[string]any{}, "n"}, want: "user_class_name is missing"},
	} {
		t.Run(s.name, func(t *testing.T) {
			got, err := proto.Decode(encode(t, s.message))
			if !errors.Is(err, proto.ErrMalformed) || !strings.Contains(err.Error(), s.want) {
				t.Errorf("got %v, error %v; want an error with %q", got, err, s.want)
			}
		})
	}
}

func TestDecodeLimitsAndDamage(t *testing.T) {
	nested := func(depth int) []byte {
		inner := append(bytes.Repeat([]byte{0x91}, depth), 0xc0)
		return append(append([]byte{0x93, 0xa1, 'x'}, inner...), 0xa1, 'n')
	}
	real := captured(t, "2.47.0/spawn_0.msgpack")["2.47.0/spawn_0.msgpack"]
	type step struct {
		name string
		b    []byte
		want string // "": no error
	}
	for _, s := range []step{
		{name: "nothing", b: nil, want: "ends in the middle"},
		{name: "reserved byte", b: []byte{0xc1}, want: "is not msgpack"},
		{name: "trailing byte", b: append(bytes.Clone(real), 0), want: "bytes after its end"},
		{name: "depth that is allowed", b: nested(31), want: ""},
		{name: "deep", b: nested(40), want: "nested deeper"},
		{name: "very deep", b: nested(4 << 20), want: "nested deeper"},
		{name: "long", b: make([]byte, proto.MaxMessageBytes+1), want: "bytes are more than"},
		{name: "many values", b: append([]byte{0xdd, 0, 16, 0, 0}, bytes.Repeat([]byte{0xc0}, 1<<20)...), want: "more than 262144 values"},
		{name: "array claims 4 billion", b: []byte{0xdd, 0xff, 0xff, 0xff, 0xff}, want: "ends in the middle"},
		{name: "map claims 4 billion", b: []byte{0xdf, 0xff, 0xff, 0xff, 0xff}, want: "ends in the middle"},
		{name: "text claims 4 GB", b: []byte{0xdb, 0xff, 0xff, 0xff, 0xff}, want: "ends in the middle"},
		{name: "extension claims 4 GB", b: []byte{0xc9, 0xff, 0xff, 0xff, 0xff, 5}, want: "ends in the middle"},
	} {
		t.Run(s.name, func(t *testing.T) {
			_, err := proto.Decode(s.b)
			if s.want == "" && err != nil {
				t.Errorf("error %v", err)
			}
			if s.want != "" && (!errors.Is(err, proto.ErrMalformed) || !strings.Contains(err.Error(), s.want)) {
				t.Errorf("error %v, want %q", err, s.want)
			}
		})
	}
	t.Run("truncated anywhere", func(t *testing.T) {
		for n := range real {
			if _, err := proto.Decode(real[:n]); !errors.Is(err, proto.ErrMalformed) {
				t.Fatalf("the first %d of %d bytes: error %v", n, len(real), err)
			}
		}
	})
}

// A transport reuses its buffers.
func TestDecodedMessageSharesNoMemory(t *testing.T) {
	for name, b := range captured(t, "*/*.msgpack") {
		want, err := proto.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		scratch := bytes.Clone(b)
		got, err := proto.Decode(scratch)
		if err != nil {
			t.Fatal(err)
		}
		clear(scratch)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s changed with the buffer that it was read from", name)
		}
	}
}
