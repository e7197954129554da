package scene

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"upsurge/test/locust"
)

// Workers are worker processes under one parent.
type Workers struct {
	*Process
	Folder string // where each writes its own sums
}

// StartWorkers starts that many worker processes of a master on this machine;
// port is the master's, or that of what stands before it.
func StartWorkers(t testing.TB, port, processes int, arguments ...string) *Workers {
	t.Helper()
	folder := t.TempDir()
	p := Start(t, append([]string{
		"worker", "--master-host", "127.0.0.1", "--master-port", strconv.Itoa(port),
		"--processes", strconv.Itoa(processes), "--json-file", filepath.Join(folder, "own.json"),
	}, arguments...)...)
	return &Workers{Process: p, Folder: folder}
}

// Result is what tests read of the file that --json-file writes.
type Result struct {
	Schema   string
	Class    string
	Requests []ResultRow
	Total    ResultRow
}

// ResultRow is a line of a Result.
type ResultRow struct {
	Method, Name    string
	Count, Failures int64
}

// ReadResult reads the file of one worker or run.
func ReadResult(t testing.TB, path string) Result {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r Result
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Own adds up the workers' own results.
func (w *Workers) Own() Books {
	w.t.Helper()
	all := Books{}
	for _, file := range w.files() {
		for _, line := range ReadResult(w.t, file).Requests {
			key := Row{line.Method, line.Name}
			all[key] = Sums{all[key].Count + line.Count, all[key].Failures + line.Failures}
		}
	}
	return all
}

// WaitResults waits until that many workers have written their own sums.
func (w *Workers) WaitResults(count int) {
	w.t.Helper()
	locust.Until(w.t, outputTimeout, "the workers' own results", func() bool { return len(w.files()) == count })
}

// ForgetResults removes the files of a test that has ended.
func (w *Workers) ForgetResults() {
	w.t.Helper()
	for _, file := range w.files() {
		if err := os.Remove(file); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *Workers) files() []string {
	files, err := filepath.Glob(filepath.Join(w.Folder, "own*.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	return files
}

// AwaitReady waits until the master holds that many workers as ready.
func AwaitReady(master *locust.Master, count int) {
	master.WaitFor(20*time.Second, "the workers to join", func(r locust.RequestsJSON) bool {
		return r.CountWorkers("ready") == count
	})
}
