package locust

import (
	_ "embed"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

const (
	totalsPlugin = "upsurge_totals.py"
	totalsFile   = "totals.json"
)

// totalsSource is a second locustfile. Neither Locust's CSV files (written once
// a second, so the last report may be missing) nor --json (not in 2.12) give
// exact final figures on every release; the process's own objects at its end do.
//
//go:embed upsurge_totals.py
var totalsSource []byte

// Totals are the final figures of a master that has ended: exactly what its last
// table prints, in full resolution.
type Totals struct {
	Total      Entry       `json:"total"`
	Entries    []Entry     `json:"entries"`
	Errors     []Failure   `json:"errors"`
	Exceptions []Exception `json:"exceptions"`
}

// Entry is one row of the statistics; the name and method of the total are
// "Aggregated" and "". Times are milliseconds, timestamps seconds since 1970 by
// the workers' clocks.
type Entry struct {
	Method               string   `json:"method"`
	Name                 string   `json:"name"`
	NumRequests          int64    `json:"num_requests"`
	NumNoneRequests      int64    `json:"num_none_requests"`
	NumFailures          int64    `json:"num_failures"`
	TotalResponseTime    float64  `json:"total_response_time"`
	MinResponseTime      *float64 `json:"min_response_time"` // nil: no sample
	MaxResponseTime      float64  `json:"max_response_time"`
	TotalContentLength   int64    `json:"total_content_length"`
	StartTime            float64  `json:"start_time"`
	LastRequestTimestamp *float64 `json:"last_request_timestamp"` // nil: no request
	// ResponseTimes are the histogram's buckets in ascending order.
	ResponseTimes []Bucket `json:"response_times"`
}

// Bucket is one step of a histogram: how many samples took that many
// milliseconds, as rounded by the worker.
type Bucket struct {
	Milliseconds float64 `json:"milliseconds"`
	Count        int64   `json:"count"`
}

// Entry returns the row of that method and name, and whether there is one.
func (totals Totals) Entry(method, name string) (Entry, bool) {
	for _, entry := range totals.Entries {
		if entry.Method == method && entry.Name == name {
			return entry, true
		}
	}
	return Entry{}, false
}

// Totals returns the final figures of a master that has ended by itself or
// after Terminate. A killed master leaves none.
func (m *Master) Totals() Totals {
	m.t.Helper()
	if !m.current.hasEnded() {
		m.t.Fatal("the master's totals exist only after its end: call Wait or Terminate first")
	}
	content, err := os.ReadFile(filepath.Join(m.folder, totalsFile))
	if err != nil {
		m.t.Fatalf("the master left no totals: %v", err)
	}
	var totals Totals
	if err := json.Unmarshal(content, &totals); err != nil {
		m.t.Fatalf("the master's totals: %v", err)
	}
	for i := range totals.Errors {
		totals.Errors[i].normalize()
	}
	return totals
}

// totalsSetting tells the plug-in where to write. A file of an earlier life is
// removed, so that it cannot pass for the new one's.
func (m *Master) totalsSetting() string {
	path := filepath.Join(m.folder, totalsFile)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		m.t.Fatalf("remove old totals: %v", err)
	}
	return "UPSURGE_TEST_TOTALS=" + path
}

func writeTotalsPlugin(t testing.TB, folder string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, totalsPlugin), totalsSource, 0o600); err != nil {
		t.Fatalf("write the totals plug-in: %v", err)
	}
}
