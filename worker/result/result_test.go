package result_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"upsurge/worker/internal/stats"
	"upsurge/worker/result"
)

var update = flag.Bool("update", false, "write the golden files anew")

// report is one with two rows, failures of two kinds and a sample without a
// latency.
func report() *stats.Report {
	const ms = time.Millisecond
	shard := stats.NewShard(nil)
	get, hold := shard.Row("GET", "/a"), shard.Row("TCP", "hold")
	late, wrong := shard.Failure("late"), shard.Failure("wrong")
	for i := range 100 {
		shard.Success(get, time.Duration(i)*ms, time.Duration(i+1)*ms, 10)
	}
	shard.Fail(get, 200*ms, 250*ms, 1, late)
	shard.Fail(get, 210*ms, 250*ms, 1, late)
	shard.Fail(hold, 300*ms, -1, 0, wrong)
	r := &stats.Report{}
	r.Add(shard.Swap())
	return r
}

func about() result.About {
	return result.About{
		Class: "A,B", Users: map[string]int{"A": 7, "B": 5}, Duration: 2 * time.Second, CPUSeconds: 1.25, MaxRSSBytes: 1 << 20,
	}
}

// The file is a contract with whoever reads it: names, units and order.
func TestFile(t *testing.T) {
	cases := []struct {
		name   string
		report *stats.Report
		about  result.About
		golden string
	}{
		{name: "test", report: report(), about: about(), golden: "result.json"},
		{name: "nothing", report: &stats.Report{}, golden: "empty.json"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "result.json")
			if err := result.New(test.report, test.about).Write(path); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", test.golden)
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// The golden file has just the fields that the schema has.
func TestFields(t *testing.T) {
	row := []string{"bytes", "count", "failures", "max_ms", "mean_ms", "method", "min_ms", "name", "percentiles_ms", "rps"}
	percentiles := []string{"50", "75", "90", "95", "99", "99.9", "99.99"}
	data, err := json.Marshal(result.New(report(), about()))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if all["schema"] != "upsurge/result/v1" {
		t.Errorf("schema %v", all["schema"])
	}
	fields(t, "file", all, []string{"class", "cpu_seconds", "duration_s", "errors", "max_rss_bytes", "requests", "schema", "total", "users"})
	rows := append(all["requests"].([]any), all["total"])
	for _, r := range rows {
		fields(t, "row", r.(map[string]any), row)
		fields(t, "percentiles", r.(map[string]any)["percentiles_ms"].(map[string]any), percentiles)
	}
	for _, e := range all["errors"].([]any) {
		fields(t, "error", e.(map[string]any), []string{"count", "error", "method", "name"})
	}
}

func fields(t *testing.T, what string, object map[string]any, want []string) {
	t.Helper()
	if got := slices.Sorted(maps.Keys(object)); !slices.Equal(got, want) {
		t.Errorf("%s has the fields %q, want %q", what, got, want)
	}
}

// What Write writes can be read back without loss.
func TestRoundTrip(t *testing.T) {
	want := result.New(report(), about())
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got result.Result
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(got)
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("got %s, want %s (%v)", again, data, err)
	}
}

func TestFileMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	path := filepath.Join(t.TempDir(), "result.json")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := result.New(report(), about()).Write(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o644 {
		t.Errorf("mode %v, want that only the owner can read it", got)
	}
}

// A reader that comes at any moment finds a whole file, the old or a new one.
func TestWriteIsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "result.json")
	r := result.New(report(), about())
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		for range 200 {
			if err := r.Write(path); err != nil {
				t.Error(err)
				return
			}
		}
	})
	done := make(chan struct{})
	go func() {
		writing.Wait()
		close(done)
	}()
	for {
		data, err := os.ReadFile(path)
		if err != nil || !json.Valid(data) {
			t.Fatalf("%d bytes that are no JSON, or %v", len(data), err)
		}
		select {
		case <-done:
			alone(t, path)
			return
		default:
		}
	}
}

// alone checks that nothing but the file is in its folder.
func alone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != filepath.Base(path) {
			t.Errorf("%s was left behind", entry.Name())
		}
	}
}

func TestWriteFails(t *testing.T) {
	t.Run("no folder", func(t *testing.T) {
		err := result.New(report(), about()).Write(filepath.Join(t.TempDir(), "none", "result.json"))
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a folder is in the way", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "result.json")
		if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := result.New(report(), about()).Write(path); err == nil {
			t.Error("no error")
		}
		alone(t, path)
	})
}
