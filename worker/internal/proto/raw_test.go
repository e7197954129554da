package proto_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"

	"upsurge/worker/internal/proto"
)

func TestRawMapNeverShowsItsContent(t *testing.T) {
	const secret = "hunter2-web-auth"
	options, err := proto.EncodeMap(map[string]any{"web_auth": secret})
	if err != nil {
		t.Fatal(err)
	}
	data, err := proto.EncodeData(secret)
	if err != nil {
		t.Fatal(err)
	}
	spawn := proto.Spawn{ParsedOptions: options}
	hidden := struct {
		spawn  proto.Spawn
		raw    proto.RawMap
		custom *proto.Custom
	}{spawn: spawn, raw: options, custom: &proto.Custom{Data: data}}

	var shown []string
	for _, v := range []any{options, &options, data, spawn, &spawn, hidden, &hidden, []proto.RawMap{options}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%t", "% x"} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, string(encoded))
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "value", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "value", v)
		shown = append(shown, log.String())
	}
	forms := []string{
		secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret),
		strings.Trim(fmt.Sprint([]byte(secret)), "[]"), strings.Trim(fmt.Sprintf("%o", []byte(secret)), "[]"),
		strings.Trim(fmt.Sprintf("%#v", []byte(secret)), "[]byte{}"),
	}
	for _, line := range shown {
		for _, form := range forms {
			if strings.Contains(line, form) {
				t.Errorf("shows its content: %s", line)
			}
		}
	}
	if want := fmt.Sprintf("[redacted %d bytes]", options.Len()); options.String() != want || fmt.Sprint(options) != want {
		t.Errorf("String %q, want %q", options.String(), want)
	}
}

func TestRawDecode(t *testing.T) {
	type step struct {
		name string
		in   any
		want any
	}
	for _, s := range []step{
		{name: "nil", in: nil, want: nil},
		{name: "empty list", in: []int{}, want: []string{}},
		{name: "texts", in: []string{"a", "b"}, want: []string{"a", "b"}},
		{name: "mixed list", in: []any{"a", 1}, want: []any{"a", int64(1)}},
		{name: "integer keys", in: map[int]string{3: "c", -1: "m"}, want: map[string]any{"3": "c", "-1": "m"}},
		{name: "smallest and largest", in: []int64{-1 << 63, 1<<63 - 1}, want: []any{int64(-1 << 63), int64(1<<63 - 1)}},
		{name: "unsigned", in: uint64(1<<64 - 1), want: uint64(1<<64 - 1)},
		{name: "unsigned that fits", in: uint64(7), want: int64(7)},
		{name: "not finite", in: []any{nan, math.Inf(-1)}, want: []any{nil, nil}},
		{name: "float32", in: float32(0.5), want: 0.5},
		{name: "bytes that are no text", in: []byte("a\xff"), want: "a\uFFFD"},
	} {
		t.Run(s.name, func(t *testing.T) {
			raw, err := proto.EncodeData(s.in)
			if err != nil {
				t.Fatal(err)
			}
			got, err := raw.Decode()
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, s.want) {
				t.Errorf("got %#v, want %#v", got, s.want)
			}
		})
	}
}

func TestRawDecodeOfForeignShapes(t *testing.T) {
	custom := func(t *testing.T, data string) proto.RawData {
		t.Helper()
		m, err := proto.Decode([]byte("\x93\xa1x" + data + "\xa1n"))
		if err != nil {
			t.Fatal(err)
		}
		return m.(proto.Custom).Data
	}
	type step struct {
		name, data string
		want       any
	}
	for _, s := range []step{
		{name: "extension", data: "\x81\xa1e\xd4\x05\x00", want: map[string]any{"e": nil}},
		{name: "timestamp extension", data: "\xd6\xff\x00\x00\x00\x01", want: nil},
		{name: "float key", data: "\x81\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00\xc0", want: map[string]any{"0.5": nil}},
		{name: "bool and nil keys", data: "\x82\xc3\x01\xc0\x02", want: map[string]any{"true": int64(1), "<nil>": int64(2)}},
		{name: "ObjectId", data: "\x82\xac__ObjectId__\xc3\xa6as_str\xa1f", want: "f"},
		{name: "marker without text", data: "\x81\xac__ObjectId__\xc3", want: map[string]any{"__ObjectId__": true}},
		{name: "marker that is false", data: "\x82\xac__datetime__\xc2\xa6as_str\xa1f", want: map[string]any{"__datetime__": false, "as_str": "f"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			got, err := custom(t, s.data).Decode()
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, s.want) {
				t.Errorf("got %#v, want %#v", got, s.want)
			}
		})
	}
}

func TestRawMapZeroAndForeign(t *testing.T) {
	m, err := proto.RawMap{}.Decode()
	if err != nil || m == nil || len(m) != 0 {
		t.Errorf("the zero RawMap: %v, %v; want an empty map", m, err)
	}
	list, err := proto.EncodeData([]int{1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proto.RawMap(list).Decode(); !errors.Is(err, proto.ErrMalformed) {
		t.Errorf("a list as a RawMap: error %v", err)
	}
}
