package stats_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"upsurge/worker/internal/stats"
	"upsurge/worker/user"
)

// locustPythons are the interpreters of the Locusts to compare with: beside
// each executable listed in UPSURGE_LOCUST, or beside the locust in PATH.
func locustPythons(t *testing.T) []string {
	t.Helper()
	executables := filepath.SplitList(os.Getenv("UPSURGE_LOCUST"))
	if len(executables) == 0 {
		found, err := exec.LookPath("locust")
		if err != nil {
			t.Skip("no Locust to compare with: list executables in UPSURGE_LOCUST, or put locust into PATH")
		}
		// A link in PATH has no interpreter beside it, its target has.
		if found, err = filepath.EvalSymlinks(found); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(pythonBeside(found)); err != nil {
			t.Skipf("the locust in PATH has no interpreter beside it (%v): list executables in UPSURGE_LOCUST", err)
		}
		executables = []string{found}
	}
	pythons := make([]string, len(executables))
	for i, executable := range executables {
		pythons[i] = pythonBeside(executable)
	}
	return pythons
}

func pythonBeside(executable string) string {
	return filepath.Join(filepath.Dir(executable), "python3")
}

// locustEntry is what testdata/locust_entry.py says of an entry.
type locustEntry struct {
	Requests      int64            `json:"num_requests"`
	NoneRequests  int64            `json:"num_none_requests"`
	Bytes         int64            `json:"total_content_length"`
	Min           *float64         `json:"min"`
	Max           float64          `json:"max"`
	Average       float64          `json:"avg"`
	Median        float64          `json:"median"`
	ResponseTimes map[string]int64 `json:"response_times"`
	Percentiles   []float64        `json:"percentiles"`
}

// locustAnswer is what Locust shows of its own samples and of the report.
type locustAnswer struct {
	Logged   locustEntry `json:"logged"`
	Reported locustEntry `json:"reported"`
}

// locustInput is the samples, and their report with the fields of a worker's.
type locustInput struct {
	Samples [][2]any       `json:"samples"`
	Report  map[string]any `json:"report"`
}

func reportFields(row *stats.RowStats) map[string]any {
	var least any
	if row.HasLatency {
		least = stats.Millis(row.MinLatency)
	}
	buckets := map[string]int64{}
	for bucket := range row.LocustBuckets.All() {
		buckets[strconv.FormatInt(bucket.Millis, 10)] = bucket.Count
	}
	seconds := map[string]int64{}
	for _, s := range row.PerSecond {
		seconds[strconv.FormatInt(s.Second, 10)] = s.Count
	}
	return map[string]any{
		"name": row.Name, "method": row.Method,
		"last_request_timestamp": row.Last.Seconds(), "start_time": 1.0,
		"num_requests": row.Count, "num_none_requests": row.NoneCount, "num_failures": row.Failures,
		"total_response_time": row.TotalMillis(), "max_response_time": stats.Millis(row.MaxLatency),
		"min_response_time": least, "total_content_length": row.Bytes,
		"response_times": buckets, "num_reqs_per_sec": seconds, "num_fail_per_sec": map[string]int64{},
	}
}

// samplesForLocust records samples and keeps them in Locust's milliseconds.
// Half of them are round numbers, for the ties.
func samplesForLocust(t *testing.T, count int, withNone bool) locustInput {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(count), 5))
	shard := stats.NewShard(nil)
	row := shard.Row("GET", "row")
	var input locustInput
	for i := range count {
		latency := time.Duration(math.Exp(random.Float64() * math.Log(float64(time.Hour))))
		if i%2 == 0 {
			latency = time.Duration(random.IntN(40_000)) * time.Millisecond / 2
		}
		if withNone && i%7 == 3 {
			shard.Success(row, time.Second, user.NoLatency, int64(i))
			input.Samples = append(input.Samples, [2]any{nil, i})
			continue
		}
		shard.Success(row, time.Second, latency, int64(i))
		input.Samples = append(input.Samples, [2]any{stats.Millis(latency), i})
	}
	input.Report = reportFields(onlyRow(t, reportOf(shard)))
	return input
}

func TestLocustShowsTheSameFromAReportAsFromItsOwnSamples(t *testing.T) {
	cases := []struct {
		name     string
		count    int
		withNone bool
	}{
		{name: "one sample", count: 1},
		{name: "two samples", count: 2},
		{name: "many samples", count: 20_000},
		{name: "many samples, some without a latency", count: 20_000, withNone: true},
	}
	var inputs []locustInput
	for _, c := range cases {
		inputs = append(inputs, samplesForLocust(t, c.count, c.withNone))
	}
	for _, python := range locustPythons(t) {
		answers := askLocust(t, python, inputs)
		if len(answers) != len(cases) {
			t.Fatalf("%s answers %d of %d questions", python, len(answers), len(cases))
		}
		for i, c := range cases {
			logged, reported := answers[i].Logged, answers[i].Reported
			// Locust adds floats up one by one, the report adds integers.
			if math.Abs(logged.Average-reported.Average) > 1e-9*logged.Average {
				t.Errorf("%s: %s: average %v, Locust's own is %v", python, c.name, reported.Average, logged.Average)
			}
			logged.Average, reported.Average = 0, 0
			if !reflect.DeepEqual(logged, reported) {
				t.Errorf("%s: %s: reported %+v, Locust's own is %+v", python, c.name, reported, logged)
			}
		}
	}
}

func askLocust(t *testing.T, python string, inputs []locustInput) []locustAnswer {
	t.Helper()
	text, err := json.Marshal(inputs)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "locust_entry.py"))
	command.Stdin = bytes.NewReader(text)
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s can't run testdata/locust_entry.py: %v\n%s", python, err, complaint.String())
	}
	var answers []locustAnswer
	if err := json.Unmarshal(output, &answers); err != nil {
		t.Fatalf("%s answers %q: %v", python, output, err)
	}
	return answers
}
