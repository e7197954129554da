package proto_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"

	"upsurge/worker/internal/proto"
)

var (
	update = flag.Bool("update", false, "rewrite testdata/golden with what the encoders write now")
	nan    = math.NaN()
)

const node = "golden_5f0c6b1e"

// reports has every message that a worker sends; the golden files and the
// test against Locust's own code use it.
func reports() map[string]proto.Report {
	return map[string]proto.Report{
		"client_ready":      proto.ClientReady{},
		"heartbeat":         proto.WorkerHeartbeat{State: proto.StateRunning, CPUPercent: 12.3456, MemoryBytes: 5 << 30},
		"heartbeat_idle":    proto.WorkerHeartbeat{State: proto.StateReady, CPUPercent: nan, MemoryBytes: -1},
		"spawning":          proto.Spawning{},
		"spawning_complete": proto.WorkerSpawningComplete{UserClassesCount: map[string]int{"TcpHoldUser": 1_000_000, "ChatUser": 0}, UserCount: 1_000_000},
		"stats_idle":        idleStats(),
		"stats":             busyStats(),
		"exception":         proto.Exception{Message: "bad \xff text", Traceback: "tasks/x.go:1\ntasks/y.go:2\n"},
		"logs":              proto.Logs{WorkerID: node, Lines: []string{"first", "gr\u00fc\u00dfe", "null\x00byte"}},
		"client_stopped":    proto.ClientStopped{},
		"quit":              proto.WorkerQuit{},
		"custom":            proto.WorkerCustom{Type: "host_preflight", Data: map[string]any{"b": []int{1, 2}, "a": nil, "c": map[int64]uint8{7: 255}}},
	}
}

func idleStats() proto.Stats {
	return proto.Stats{Total: proto.Entry{Name: "Aggregated", StartTime: 1795160000.25}}
}

func busyStats() proto.Stats {
	get := proto.Entry{
		Method: "GET", Name: "/a", NumRequests: 5, NumNoneRequests: 1, NumFailures: 2, ContentLength: 1 << 40,
		TotalResponseTimeMillis: 1.5 + 20.25 + 145 + 1000, MaxResponseTimeMillis: 1000, MinResponseTimeMillis: new(1.5),
		StartTime: 1795160000.25, LastRequestTimestamp: new(1795160020.75),
		ResponseTimes: []proto.Bucket{{Millis: 2, Count: 1}, {Millis: 20, Count: 1}, {Millis: 140, Count: 1}, {Millis: 1000, Count: 1}},
		NumReqsPerSec: []proto.Second{{Second: 1795160019, Count: 2}, {Second: 1795160020, Count: 3}},
		NumFailPerSec: []proto.Second{{Second: 1795160020, Count: 2}},
	}
	odd := proto.Entry{
		Method: "", Name: "na\xefve \x00 name", NumRequests: 1, NumNoneRequests: 1,
		StartTime: 1795160000.25, LastRequestTimestamp: new(1795160010.0),
		NumReqsPerSec: []proto.Second{{Second: 1795160010, Count: 1}},
	}
	total := get
	total.NumRequests, total.NumNoneRequests = 6, 2
	total.NumReqsPerSec = append([]proto.Second{{Second: 1795160010, Count: 1}}, get.NumReqsPerSec...)
	long := strings.Repeat("long \xff\x00", 1<<20/7)
	return proto.Stats{
		Entries: []proto.Entry{get, odd},
		Total:   total,
		Errors: []proto.Error{
			{Method: "GET", Name: "/a", Error: "connection refused", Occurrences: 1, FirstSeen: 1795160020.5, LastSeen: 1795160020.5},
			{Method: "GET", Name: "/a", Error: long + "1", Occurrences: 1, FirstSeen: 1795160020, LastSeen: 1795160021},
			{Method: "GET", Name: "/a", Error: long + "2", Occurrences: 2, FirstSeen: 1795160019, LastSeen: 1795160020},
		},
		UserClassesCount: map[string]int{"TcpHoldUser": 3, "ChatUser": 0},
		UserCount:        3,
		Extra:            map[string]any{"host_metrics": map[string]any{"sockets": 3, "load": 0.5}},
	}
}

func TestReportsMatchTheGoldenFiles(t *testing.T) {
	for name, report := range reports() {
		t.Run(name, func(t *testing.T) {
			got, err := report.Append(nil, node)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", "golden", name+".msgpack")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("encodes as\n%s\nwant\n%s", hex.Dump(got), hex.Dump(want))
			}
			for range 20 {
				again, err := report.Append([]byte("before"), node)
				if err != nil || string(again) != "before"+string(want) {
					t.Fatalf("encodes differently the next time (error %v)", err)
				}
			}
		})
	}
}

// The wire form by hand, for the messages that have one.
func TestReportsOnTheWire(t *testing.T) {
	type step struct {
		report proto.Report
		want   string
	}
	for _, s := range []step{
		{report: proto.ClientReady{}, want: "\x93\xacclient_ready\xff\xa3n_1"},
		{report: proto.Spawning{}, want: "\x93\xa8spawning\xc0\xa3n_1"},
		{report: proto.ClientStopped{}, want: "\x93\xaeclient_stopped\xc0\xa3n_1"},
		{report: proto.WorkerQuit{}, want: "\x93\xa4quit\xc0\xa3n_1"},
		{
			report: proto.WorkerHeartbeat{State: proto.StateSpawning, CPUPercent: 0.25, MemoryBytes: 256},
			want: "\x93\xa9heartbeat\x83\xa5state\xa8spawning\xb1current_cpu_usage\xcb\x3f\xd3\x33\x33\x33\x33\x33\x33" +
				"\xb4current_memory_usage\xcd\x01\x00\xa3n_1",
		},
	} {
		got, err := s.report.Append(nil, "n_1")
		if err != nil || string(got) != s.want {
			t.Errorf("%T: got %q, error %v; want %q", s.report, got, err, s.want)
		}
	}
}

func TestReportsRefuseWhatWouldHurtTheMaster(t *testing.T) {
	stats := func(change func(*proto.Stats)) proto.Report {
		m := busyStats()
		change(&m)
		return m
	}
	cycle := []any{nil}
	cycle[0] = cycle
	type step struct {
		name   string
		report proto.Report
		want   string
	}
	for _, s := range []step{
		{name: "unknown state", report: proto.WorkerHeartbeat{State: "stopping"}, want: `state "stopping"`},
		{name: "no state", report: proto.WorkerHeartbeat{}, want: `state ""`},
		{name: "start time 0", report: stats(func(m *proto.Stats) { m.Total.StartTime = 0 }), want: "start_time"},
		{name: "start time infinite", report: stats(func(m *proto.Stats) { m.Total.StartTime = math.Inf(1) }), want: "start_time"},
		{name: "total NaN", report: stats(func(m *proto.Stats) { m.Entries[0].TotalResponseTimeMillis = nan }), want: `"GET" "/a": total_response_time`},
		{name: "max infinite", report: stats(func(m *proto.Stats) { m.Total.MaxResponseTimeMillis = math.Inf(1) }), want: "max_response_time"},
		{name: "min NaN", report: stats(func(m *proto.Stats) { m.Total.MinResponseTimeMillis = &nan }), want: "min_response_time"},
		{name: "last NaN", report: stats(func(m *proto.Stats) { m.Total.LastRequestTimestamp = &nan }), want: "last_request_timestamp"},
		{name: "bucket twice", report: stats(func(m *proto.Stats) { m.Total.ResponseTimes = []proto.Bucket{{1, 1}, {1, 2}} }), want: "response_times"},
		{name: "seconds descend", report: stats(func(m *proto.Stats) { m.Total.NumReqsPerSec = []proto.Second{{2, 1}, {1, 2}} }), want: "num_reqs_per_sec"},
		{name: "failures descend", report: stats(func(m *proto.Stats) { m.Total.NumFailPerSec = []proto.Second{{2, 1}, {1, 2}} }), want: "num_fail_per_sec"},
		{name: "extra hides stats", report: stats(func(m *proto.Stats) { m.Extra = map[string]any{"stats": 1} }), want: `"stats" is one of Locust's own`},
		{name: "custom is a heartbeat", report: proto.WorkerCustom{Type: "heartbeat"}, want: "of type"},
		{name: "custom without type", report: proto.WorkerCustom{}, want: "of type"},
		{name: "custom with a struct", report: proto.WorkerCustom{Type: "x", Data: struct{}{}}, want: "of type struct {}"},
		{name: "custom with float keys", report: proto.WorkerCustom{Type: "x", Data: map[float64]int{1: 1}}, want: "keys of type float64"},
		{name: "custom with a marker", report: proto.WorkerCustom{Type: "x", Data: map[string]any{"__datetime__": true}}, want: "__datetime__"},
		{name: "class is a marker", report: proto.WorkerSpawningComplete{UserClassesCount: map[string]int{"__ObjectId__": 1}}, want: "__ObjectId__"},
		{name: "custom without an end", report: proto.WorkerCustom{Type: "x", Data: cycle}, want: "nested deeper"},
	} {
		t.Run(s.name, func(t *testing.T) {
			got, err := s.report.Append([]byte("before"), node)
			if !errors.Is(err, proto.ErrUnsendable) || !strings.Contains(err.Error(), s.want) {
				t.Errorf("error %v, want %q", err, s.want)
			}
			if string(got) != "before" {
				t.Errorf("left %q behind", got)
			}
		})
	}
}

func TestReportsRefuseBadNodes(t *testing.T) {
	for _, bad := range []string{"", "\x00a", "a\x00b", "a\xff", strings.Repeat("n", 256)} {
		if _, err := (proto.WorkerQuit{}).Append(nil, bad); !errors.Is(err, proto.ErrNode) {
			t.Errorf("node %.20q: error %v", bad, err)
		}
	}
	if err := proto.CheckNode(strings.Repeat("n", 255)); err != nil {
		t.Error(err)
	}
}

func TestTextsAreSendable(t *testing.T) {
	type step struct {
		name, in, want string
	}
	limit := proto.MaxErrorBytes
	for _, s := range []step{
		{name: "plain", in: "plain grüße 😀", want: "plain grüße 😀"},
		{name: "invalid", in: "a\xff\xfeb", want: "a\uFFFDb"},
		{name: "surrogate", in: "a\xed\xa0\x80b", want: "a\uFFFDb"},
		{name: "NUL", in: "a\x00b", want: "a\u2400b"},
		{name: "exactly the limit", in: strings.Repeat("x", limit), want: strings.Repeat("x", limit)},
		{name: "one more", in: strings.Repeat("x", limit+1), want: strings.Repeat("x", limit-len(" … [cut, had 4097 bytes]")) + " … [cut, had 4097 bytes]"},
	} {
		t.Run(s.name, func(t *testing.T) {
			if got := errorText(t, s.in); got != s.want {
				t.Errorf("got %q, want %q", got, s.want)
			}
		})
	}
	t.Run("never longer, always valid", func(t *testing.T) {
		for _, piece := range []string{"\x00", "\xff", "x\xff", "😀", "é", "a😀"} {
			for shift := range 5 {
				for _, n := range []int{limit / 3, limit - 1, limit, limit + 1, 3 * limit} {
					text := strings.Repeat("s", shift) + strings.Repeat(piece, n/len(piece)+1)
					got := errorText(t, text)
					if len(got) > limit || !utf8.ValidString(got) || strings.Contains(got, "\x00") {
						t.Fatalf("%d × %q after %d bytes: %d bytes, valid %v", n, piece, shift, len(got), utf8.ValidString(got))
					}
				}
			}
		}
	})
}

// errorText is text as it arrives in an exception.
func errorText(t *testing.T, text string) string {
	t.Helper()
	b, err := proto.Exception{Message: text}.Append(nil, node)
	if err != nil {
		t.Fatal(err)
	}
	var message []any
	if err := msgpack.Unmarshal(b, &message); err != nil {
		t.Fatal(err)
	}
	return message[1].(map[string]any)["msg"].(string)
}
