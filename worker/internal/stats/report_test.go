package stats_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"upsurge/worker/internal/stats"
)

func TestReportIsSorted(t *testing.T) {
	shard := stats.NewShard(nil)
	for _, key := range [][3]string{{"POST", "/b", "y"}, {"GET", "/b", "x"}, {"POST", "/a", "y"}, {"POST", "/b", "x"}} {
		shard.Fail(shard.Row(key[0], key[1]), 0, 0, 0, shard.Failure(key[2]))
	}
	report := reportOf(shard)
	var rows []string
	for _, row := range report.Rows() {
		rows = append(rows, row.Method+row.Name)
	}
	if want := []string{"POST/a", "GET/b", "POST/b"}; !slices.Equal(rows, want) {
		t.Errorf("rows are %v, want %v", rows, want)
	}
	var failures []string
	for _, e := range report.Errors() {
		failures = append(failures, e.Method+e.Name+e.Text)
	}
	if want := []string{"POST/ay", "GET/bx", "POST/bx", "POST/by"}; !slices.Equal(failures, want) {
		t.Errorf("errors are %v, want %v", failures, want)
	}
}

func TestReportResetLetsGoOfItsRows(t *testing.T) {
	shard := stats.NewShard(nil)
	row := shard.Row("GET", "/")
	shard.Fail(row, 0, time.Second, 0, shard.Failure("x"))
	report := reportOf(shard)
	kept := onlyRow(t, report)
	report.Reset()
	if !report.Empty() || len(report.Rows()) != 0 || len(report.Errors()) != 0 || report.Total().Count != 0 {
		t.Error("something is left after Reset")
	}
	shard.Success(row, 0, time.Second, 0)
	report.Add(shard.Swap())
	if kept.Count != 1 || kept.Failures != 1 || onlyRow(t, report).Failures != 0 {
		t.Error("a row from before Reset shares sums with one from after it")
	}
}

func TestEmptyReport(t *testing.T) {
	var report, other stats.Report
	report.Merge(&other)
	report.Add(stats.NewShard(nil).Swap())
	if !report.Empty() {
		t.Error("nothing was added, yet it is not empty")
	}
	total := report.Total()
	if total.Name != "Aggregated" || total.Method != "" || total.Count != 0 || total.HasLatency {
		t.Errorf("the total of nothing is %+v", total)
	}
}

func TestRowPercentileStaysBetweenMinimumAndMaximum(t *testing.T) {
	shard := stats.NewShard(nil)
	const latency = 1234567 * time.Microsecond // its counter spans 1234432 to 1235455 µs
	shard.Success(shard.Row("GET", "/"), 0, latency, 0)
	row := onlyRow(t, reportOf(shard))
	for _, p := range testedPercentiles {
		if got := row.Percentile(p); got != latency {
			t.Errorf("Percentile(%v) = %v, want %v", p, got, latency)
		}
	}
}

func TestLatencySumGoesBeyondADuration(t *testing.T) {
	shard := stats.NewShard(nil)
	const latency = time.Duration(1) << 61
	shard.Success(shard.Row("GET", "/"), 0, latency, 0)
	report := reportOf(shard)
	for range 10 { // doubled to 2^71 ns
		double := &stats.Report{}
		double.Merge(report)
		double.Merge(report)
		report = double
	}
	row := onlyRow(t, report)
	if want := math.Ldexp(1, 71) / 1e6; row.TotalMillis() != want {
		t.Errorf("TotalMillis = %v, want %v", row.TotalMillis(), want)
	}
	if row.TotalLatency() != math.MaxInt64 {
		t.Errorf("TotalLatency = %d, want the largest Duration", row.TotalLatency())
	}
	if row.Mean() != latency {
		t.Errorf("Mean = %v, want %v", row.Mean(), latency)
	}
}

func TestMillisIsExact(t *testing.T) {
	if got := stats.Millis(145*time.Millisecond + time.Microsecond); got != 145.001 {
		t.Errorf("Millis = %v, want 145.001", got)
	}
}
