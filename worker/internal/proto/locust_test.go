package proto_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"upsurge/worker/internal/proto"
)

// pythons returns the Python of each Locust that is installed: those that
// UPSURGE_LOCUST lists, or else the one on the path.
func pythons(t *testing.T) []string {
	t.Helper()
	list := os.Getenv("UPSURGE_LOCUST")
	if list == "" {
		found, err := exec.LookPath("locust")
		if err != nil {
			t.Skip("no Locust: set UPSURGE_LOCUST to the locust executables, separated by colons, or put one on PATH")
		}
		list = found
	}
	var found []string
	for _, executable := range filepath.SplitList(list) {
		real, err := filepath.EvalSymlinks(executable)
		if err != nil {
			t.Fatalf("UPSURGE_LOCUST: %v", err)
		}
		found = append(found, pythonBeside(t, real))
	}
	return found
}

// pythonBeside is the Python of a virtual environment, or the system's where
// Locust is one of its packages.
func pythonBeside(t *testing.T, executable string) string {
	t.Helper()
	for _, name := range []string{"python", "python3"} {
		python := filepath.Join(filepath.Dir(executable), name)
		if _, err := os.Stat(python); err == nil {
			return python
		}
	}
	t.Fatalf("no Python beside %s", executable)
	return ""
}

// merged is what testdata/merge.py prints.
type merged struct {
	Version  string
	Messages []struct {
		Type string
		Data any
		Node string
	}
	Totals  []mergedEntry
	Entries [][3]json.RawMessage
	Errors  []mergedError
	CSV     string
}

type mergedEntry struct {
	NumRequests          int64      `json:"num_requests"`
	NumNoneRequests      int64      `json:"num_none_requests"`
	NumFailures          int64      `json:"num_failures"`
	TotalContentLength   int64      `json:"total_content_length"`
	TotalResponseTime    float64    `json:"total_response_time"`
	MaxResponseTime      float64    `json:"max_response_time"`
	MinResponseTime      *float64   `json:"min_response_time"`
	StartTime            float64    `json:"start_time"`
	LastRequestTimestamp *float64   `json:"last_request_timestamp"`
	ResponseTimes        [][2]int64 `json:"response_times"`
	NumReqsPerSec        [][2]int64 `json:"num_reqs_per_sec"`
	NumFailPerSec        [][2]int64 `json:"num_fail_per_sec"`
	TotalRPS             float64    `json:"total_rps"`
}

type mergedError struct {
	Method, Name, Error string
	Occurrences         int64
	FirstSeen           *float64 `json:"first_seen"`
	LastSeen            *float64 `json:"last_seen"`
}

// merge runs the reports through Locust's own code, in that order.
func merge(t *testing.T, python string, reports ...proto.Report) merged {
	t.Helper()
	folder := t.TempDir()
	arguments := []string{filepath.Join("testdata", "merge.py")}
	for i, report := range reports {
		b, err := report.Append(nil, node)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, string(rune('a'+i))+".msgpack")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, path)
	}
	command := exec.Command(python, arguments...)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v", python, err)
	}
	var result merged
	if err := json.Unmarshal(output[strings.IndexByte(string(output), '{'):], &result); err != nil {
		t.Fatalf("%v in %q", err, output)
	}
	return result
}

func TestLocustMergesOurStats(t *testing.T) {
	for _, python := range pythons(t) {
		result := merge(t, python, idleStats(), busyStats(), busyStats(), idleStats())
		t.Run("locust-"+result.Version, func(t *testing.T) {
			idle, busy := result.Totals[0], result.Totals[3]
			if idle.MinResponseTime != nil || idle.LastRequestTimestamp != nil || idle.TotalRPS != 0 {
				t.Errorf("an idle report sets min %v, last %v, rps %v", idle.MinResponseTime, idle.LastRequestTimestamp, idle.TotalRPS)
			}
			want := mergedEntry{
				NumRequests: 12, NumNoneRequests: 4, NumFailures: 4, TotalContentLength: 1 << 41,
				TotalResponseTime: 2 * 1166.75, MaxResponseTime: 1000, MinResponseTime: new(1.5),
				StartTime: 1795160000.25, LastRequestTimestamp: new(1795160020.75),
				ResponseTimes: [][2]int64{{2, 2}, {20, 2}, {140, 2}, {1000, 2}},
				NumReqsPerSec: [][2]int64{{1795160010, 2}, {1795160019, 4}, {1795160020, 6}},
				NumFailPerSec: [][2]int64{{1795160020, 4}},
				TotalRPS:      12 / 20.5, // requests by seconds from start to last
			}
			if !reflect.DeepEqual(busy, want) {
				t.Errorf("total\n%+v\nwant\n%+v", busy, want)
			}
			checkMergedRows(t, result)
			checkMergedErrors(t, result)
		})
	}
}

func checkMergedRows(t *testing.T, result merged) {
	t.Helper()
	var names []string
	var requests []int64
	for _, row := range result.Entries {
		var name, method string
		var entry mergedEntry
		for i, target := range []any{&name, &method, &entry} {
			if err := json.Unmarshal(row[i], target); err != nil {
				t.Fatal(err)
			}
		}
		names = append(names, method+" "+name)
		requests = append(requests, entry.NumRequests)
	}
	wantNames, wantRequests := []string{"GET /a", " na\uFFFDve \u2400 name"}, []int64{10, 2}
	if !reflect.DeepEqual(names, wantNames) || !reflect.DeepEqual(requests, wantRequests) {
		t.Errorf("rows %q with %d requests, want %q with %d", names, requests, wantNames, wantRequests)
	}
}

// The two reports hold three errors each, two of which differ only beyond
// the cut: nothing of their counts may be lost.
func checkMergedErrors(t *testing.T, result merged) {
	t.Helper()
	if len(result.Errors) != 2 {
		t.Fatalf("%d errors, want 2", len(result.Errors))
	}
	short, long := result.Errors[0], result.Errors[1]
	if short.Error != "connection refused" || short.Occurrences != 2 {
		t.Errorf("got %q %d times, want connection refused 2 times", short.Error, short.Occurrences)
	}
	if !strings.HasPrefix(long.Error, "long \uFFFD\u2400long") || len(long.Error) > proto.MaxErrorBytes || long.Occurrences != 6 {
		t.Errorf("got %.60q of %d bytes %d times, want at most %d bytes 6 times", long.Error, len(long.Error), long.Occurrences, proto.MaxErrorBytes)
	}
	if result.Version == "" || strings.HasPrefix(result.Version, "2.12") {
		return // releases before 2.44 don't keep the times; Debian's 2.12.1 has no version
	}
	if *long.FirstSeen != 1795160019 || *long.LastSeen != 1795160021 {
		t.Errorf("seen from %v to %v", *long.FirstSeen, *long.LastSeen)
	}
}

func TestLocustReadsEveryReport(t *testing.T) {
	want := map[string]any{
		"client_ready":      -1.0,
		"heartbeat":         map[string]any{"state": "running", "current_cpu_usage": 12.3, "current_memory_usage": float64(5 << 30)},
		"heartbeat_idle":    map[string]any{"state": "ready", "current_cpu_usage": 0.0, "current_memory_usage": 0.0},
		"spawning":          nil,
		"spawning_complete": map[string]any{"user_classes_count": map[string]any{"TcpHoldUser": 1e6, "ChatUser": 0.0}, "user_count": 1e6},
		"exception":         map[string]any{"msg": "bad \uFFFD text", "traceback": "tasks/x.go:1\ntasks/y.go:2\n"},
		"logs":              map[string]any{"worker_id": node, "logs": []any{"first", "grüße", "null\u2400byte"}},
		"client_stopped":    nil,
		"quit":              nil,
		"custom":            map[string]any{"a": nil, "b": []any{1.0, 2.0}, "c": map[string]any{"7": 255.0}},
	}
	var names []string
	var ordered []proto.Report
	for name, report := range reports() {
		if _, ok := want[name]; ok {
			names = append(names, name)
			ordered = append(ordered, report)
		}
	}
	for _, python := range pythons(t) {
		result := merge(t, python, ordered...)
		t.Run("locust-"+result.Version, func(t *testing.T) {
			for i, got := range result.Messages {
				if got.Node != node || !reflect.DeepEqual(got.Data, want[names[i]]) {
					t.Errorf("%s: node %q data %v, want %v", names[i], got.Node, got.Data, want[names[i]])
				}
			}
		})
	}
}
