package locust

import (
	"encoding/json"
	"fmt"
	"html"
	"strconv"
	"strings"
)

// RequestsJSON is what the web page polls (/stats/requests), with the fields of
// all releases brought to one form. Times are milliseconds.
type RequestsJSON struct {
	State     string // ready, spawning, running, cleanup, stopping, stopped, missing
	UserCount int
	// TotalRPS is requests per second: over the last ten seconds in old
	// releases, over the whole test in new ones.
	TotalRPS  float64
	FailRatio float64 // 0 to 1
	Workers   []WorkerRow
	Stats     []StatsRow // the last one is the total: method "", name Aggregated
	Errors    []Failure
	// CurrentPercentiles maps 0.5, 0.95 and so on to the response time of the
	// last ten seconds; missing where the master has none.
	CurrentPercentiles map[float64]float64
}

// WorkerRow is one line of the Workers tab.
type WorkerRow struct {
	ID          string  `json:"id"`
	State       string  `json:"state"` // ready, spawning, running, missing
	UserCount   int     `json:"user_count"`
	CPUUsage    float64 `json:"cpu_usage"`    // percent
	MemoryUsage int64   `json:"memory_usage"` // bytes
}

// StatsRow is one line of the Statistics tab.
type StatsRow struct {
	Method             string  `json:"method"`
	Name               string  `json:"name"`
	NumRequests        int64   `json:"num_requests"`
	NumFailures        int64   `json:"num_failures"`
	MinResponseTime    float64 `json:"min_response_time"` // 0 also without a sample
	MaxResponseTime    float64 `json:"max_response_time"`
	AvgResponseTime    float64 `json:"avg_response_time"`
	MedianResponseTime float64 `json:"median_response_time"`
	AvgContentLength   float64 `json:"avg_content_length"`
	CurrentRPS         float64 `json:"current_rps"`
	CurrentFailPerSec  float64 `json:"current_fail_per_sec"`
	// Percentiles maps a share to a response time: 0.9 and 0.99 in old
	// releases, 0.95 and 0.99 in new ones.
	Percentiles map[float64]float64 `json:"-"`
}

// Failure is one line of the Failures tab. Error has the same form for every
// release: no HTML escapes, no quotes of Python's repr around it.
type Failure struct {
	Method      string `json:"method"`
	Name        string `json:"name"`
	Error       string `json:"error"`
	Occurrences int64  `json:"occurrences"`
}

// Total returns the row that sums all others up; a zero row before the first
// report.
func (r RequestsJSON) Total() StatsRow {
	row, _ := r.Row("", "Aggregated")
	return row
}

// Row returns the row of that method and name, and whether there is one.
func (r RequestsJSON) Row(method, name string) (StatsRow, bool) {
	for _, row := range r.Stats {
		if row.Method == method && row.Name == name {
			return row, true
		}
	}
	return StatsRow{}, false
}

// CountWorkers returns how many workers are in that state.
func (r RequestsJSON) CountWorkers(state string) int {
	count := 0
	for _, worker := range r.Workers {
		if worker.State == state {
			count++
		}
	}
	return count
}

// UnmarshalJSON accepts the answers of all releases from 2.12 on. Everything
// that they differ in is in this file.
func (r *RequestsJSON) UnmarshalJSON(data []byte) error {
	var answer struct {
		State     string              `json:"state"`
		UserCount int                 `json:"user_count"`
		TotalRPS  float64             `json:"total_rps"`
		FailRatio float64             `json:"fail_ratio"`
		Workers   []WorkerRow         `json:"workers"`
		Stats     []StatsRow          `json:"stats"`
		Errors    []Failure           `json:"errors"`
		Current   map[string]*float64 `json:"current_response_time_percentiles"`
		Current50 *float64            `json:"current_response_time_percentile_50"` // old releases
		Current95 *float64            `json:"current_response_time_percentile_95"` // old releases
		First     *float64            `json:"current_response_time_percentile_1"`  // some between old and new
		Second    *float64            `json:"current_response_time_percentile_2"`  // some between old and new
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return fmt.Errorf("/stats/requests: %w", err)
	}
	current, err := percentiles(answer.Current)
	if err != nil {
		return fmt.Errorf("/stats/requests: %w", err)
	}
	keep(current, 0.5, answer.Current50)
	keep(current, 0.95, answer.Current95)
	keep(current, 0.5, answer.First)
	keep(current, 0.95, answer.Second)
	for i := range answer.Errors {
		answer.Errors[i].normalize()
	}
	*r = RequestsJSON{
		State: answer.State, UserCount: answer.UserCount, TotalRPS: answer.TotalRPS, FailRatio: answer.FailRatio,
		Workers: answer.Workers, Stats: answer.Stats, Errors: answer.Errors, CurrentPercentiles: current,
	}
	return nil
}

// UnmarshalJSON collects the percentiles, which have a field each.
func (row *StatsRow) UnmarshalJSON(data []byte) error {
	type plain StatsRow // without this method
	if err := json.Unmarshal(data, (*plain)(row)); err != nil {
		return fmt.Errorf("row: %w", err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return fmt.Errorf("row: %w", err)
	}
	values := map[string]*float64{}
	for field, text := range fields {
		switch field {
		case "ninetieth_response_time": // old releases
			field = percentilePrefix + "0.9"
		case "ninety_ninth_response_time": // old releases
			field = percentilePrefix + "0.99"
		}
		if !strings.HasPrefix(field, percentilePrefix) {
			continue
		}
		var value *float64
		if err := json.Unmarshal(text, &value); err != nil {
			return fmt.Errorf("row: %s: %w", field, err)
		}
		values[field] = value
	}
	var err error
	row.Percentiles, err = percentiles(values)
	return err
}

const percentilePrefix = "response_time_percentile_"

// percentiles turns the names of the fields into numbers.
func percentiles(values map[string]*float64) (map[float64]float64, error) {
	byShare := make(map[float64]float64, len(values))
	for field, value := range values {
		share, err := strconv.ParseFloat(strings.TrimPrefix(field, percentilePrefix), 64)
		if err != nil {
			return nil, fmt.Errorf("percentile %q: %w", field, err)
		}
		keep(byShare, share, value)
	}
	return byShare, nil
}

// keep stores a value that may be missing.
func keep(byShare map[float64]float64, share float64, value *float64) {
	if value != nil {
		byShare[share] = *value
	}
}

// unquoted undoes the escapes of Python's repr that a text of errors has.
var unquoted = strings.NewReplacer(`\\`, `\`, `\'`, `'`, `\"`, `"`, `\n`, "\n", `\r`, "\r", `\t`, "\t")

// normalize removes what old releases put around an error's text: HTML escapes,
// and the quotes and escapes that come of calling Python's repr on a string.
func (f *Failure) normalize() {
	text := html.UnescapeString(f.Error)
	if last := len(text) - 1; last > 0 && (text[0] == '\'' || text[0] == '"') && text[last] == text[0] {
		text = unquoted.Replace(text[1:last])
	}
	f.Error = text
}

// TasksJSON is the Tasks tab (/tasks): the share of each class and its tasks.
type TasksJSON struct {
	PerClass map[string]TaskRatio `json:"per_class"`
	Total    map[string]TaskRatio `json:"total"`
}

// TaskRatio is the share of a class or a task, 0 to 1, and of the tasks in it.
type TaskRatio struct {
	Ratio float64              `json:"ratio"`
	Tasks map[string]TaskRatio `json:"tasks"`
}

// Exception is one line of the Exceptions tab.
type Exception struct {
	Count     int64  `json:"count"`
	Message   string `json:"msg"`
	Traceback string `json:"traceback"`
	Nodes     string `json:"nodes"` // ids of the workers, separated by ", "
}

// LogsJSON is the Logs tab (/logs, from 2.29 on).
type LogsJSON struct {
	Master  []string            `json:"master"`
	Workers map[string][]string `json:"workers"` // by worker id
}
