// Package result is the account of a test in the form of the file that
// --json-file writes.
package result

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"upsurge/worker/internal/stats"
)

// Schema names the form of the file; it changes when a field changes its
// meaning.
const Schema = "upsurge/result/v1"

// percentiles are those in the file.
var percentiles = []float64{50, 75, 90, 95, 99, 99.9, 99.99}

// Result is a test. Times are in the units that the fields' names end in.
type Result struct {
	Schema          string  `json:"schema"`
	Class           string  `json:"class"`
	DurationSeconds float64 `json:"duration_s"`
	Users           int     `json:"users"`
	Requests        []Row   `json:"requests"`
	Total           Row     `json:"total"`
	Errors          []Error `json:"errors"`
	CPUSeconds      float64 `json:"cpu_seconds"`
	MaxRSSBytes     int64   `json:"max_rss_bytes"`
}

// Row is a line of the statistics. Latencies are 0 if no sample had one.
type Row struct {
	Method      string             `json:"method"`
	Name        string             `json:"name"`
	Count       int64              `json:"count"`
	Failures    int64              `json:"failures"`
	RPS         float64            `json:"rps"`
	Bytes       int64              `json:"bytes"`
	MinMillis   float64            `json:"min_ms"`
	MeanMillis  float64            `json:"mean_ms"`
	MaxMillis   float64            `json:"max_ms"`
	Percentiles map[string]float64 `json:"percentiles_ms"`
}

// Error is a failure text with its count.
type Error struct {
	Method string `json:"method"`
	Name   string `json:"name"`
	Error  string `json:"error"`
	Count  int64  `json:"count"`
}

// About is what the statistics do not know of their test.
type About struct {
	Class       string
	Users       map[string]int
	Duration    time.Duration
	CPUSeconds  float64
	MaxRSSBytes int64
}

// New makes the account of a report.
func New(report *stats.Report, about About) Result {
	result := Result{
		Schema: Schema, Class: about.Class, DurationSeconds: about.Duration.Seconds(),
		Requests: []Row{}, Errors: []Error{}, Total: NewRow(report.Total(), about.Duration),
		CPUSeconds: about.CPUSeconds, MaxRSSBytes: about.MaxRSSBytes,
	}
	for _, users := range about.Users {
		result.Users += users
	}
	for _, r := range report.Rows() {
		result.Requests = append(result.Requests, NewRow(r, about.Duration))
	}
	for _, e := range report.Errors() {
		result.Errors = append(result.Errors, Error{Method: e.Method, Name: e.Name, Error: e.Text, Count: e.Count})
	}
	return result
}

// NewRow makes a line of statistics that were collected for that long.
func NewRow(r *stats.RowStats, duration time.Duration) Row {
	row := Row{
		Method: r.Method, Name: r.Name, Count: r.Count, Failures: r.Failures, Bytes: r.Bytes,
		MinMillis: stats.Millis(r.MinLatency), MeanMillis: stats.Millis(r.Mean()), MaxMillis: stats.Millis(r.MaxLatency),
		Percentiles: make(map[string]float64, len(percentiles)),
	}
	if duration > 0 {
		row.RPS = float64(r.Count) / duration.Seconds()
	}
	for _, p := range percentiles {
		row.Percentiles[strconv.FormatFloat(p, 'f', -1, 64)] = stats.Millis(r.Percentile(p))
	}
	return row
}

// CheckPath says whether Write can write there, so that a slip of the pen is
// found before a test and not after it.
func CheckPath(path string) error {
	folder := filepath.Dir(path)
	if info, err := os.Stat(folder); err != nil {
		return fmt.Errorf("result file: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("result file: %s is no folder", folder)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("result file: %s is a folder", path)
	}
	return nil
}

// Write writes the file; a reader never sees a part of it. What is no regular
// file, such as /dev/stdout or a named pipe, is written to as it is.
func (r Result) Write(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("result for %s: %w", path, err)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		if err := os.WriteFile(path, append(data, '\n'), fileMode); err != nil {
			return fmt.Errorf("result file: %w", err)
		}
		return nil
	}
	if followed, err := filepath.EvalSymlinks(path); err == nil {
		path = followed
	}
	return replace(path, append(data, '\n'))
}

// fileMode lets others read a result: it has no secrets, and those who collect
// it are often not those who measured.
const fileMode = 0o644

// replace puts a new file in the place of an old one.
func replace(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("result file: %w", err)
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Chmod(fileMode)
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name()) // the first error says what matters
		return fmt.Errorf("result file: %w", err)
	}
	return nil
}
