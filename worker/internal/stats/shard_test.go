package stats_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"upsurge/worker/internal/stats"
	"upsurge/worker/user"
)

// reportOf is the report of what a shard holds.
func reportOf(shard interface{ Swap() *stats.Block }) *stats.Report {
	report := &stats.Report{}
	report.Add(shard.Swap())
	return report
}

// onlyRow is the single row of a report.
func onlyRow(t *testing.T, report *stats.Report) *stats.RowStats {
	t.Helper()
	rows := report.Rows()
	if len(rows) != 1 {
		t.Fatalf("the report has %d rows, want 1", len(rows))
	}
	return rows[0]
}

func TestShardCounts(t *testing.T) {
	shard := stats.NewShard(nil)
	row := shard.Row("GET", "/")
	refused := shard.Failure("refused")
	shard.Success(row, 3*time.Second, 20*time.Millisecond, 100)
	shard.Success(row, 2500*time.Millisecond, user.NoLatency, 7)
	shard.Fail(row, 5*time.Second, 0, 0, refused)
	shard.Fail(row, 4*time.Second, 40*time.Millisecond, 3, refused)

	report := reportOf(shard)
	got := onlyRow(t, report)
	if got.Method != "GET" || got.Name != "/" {
		t.Errorf("row is %q %q", got.Method, got.Name)
	}
	for _, c := range []struct {
		name      string
		got, want int64
	}{
		{"Count", got.Count, 4},
		{"Failures", got.Failures, 2},
		{"NoneCount", got.NoneCount, 1},
		{"Bytes", got.Bytes, 110},
		{"TotalLatency", int64(got.TotalLatency()), int64(60 * time.Millisecond)},
		{"Mean", int64(got.Mean()), int64(20 * time.Millisecond)},
		{"MinLatency", int64(got.MinLatency), 0},
		{"MaxLatency", int64(got.MaxLatency), int64(40 * time.Millisecond)},
		{"First", int64(got.First), int64(2500 * time.Millisecond)},
		{"Last", int64(got.Last), int64(5 * time.Second)},
		{"Histogram.Count", got.Histogram.Count(), 3},
		{"Percentile(50)", int64(got.Percentile(50)), 20_015_000},
		{"Percentile(100)", int64(got.Percentile(100)), int64(40 * time.Millisecond)},
	} {
		if c.got != c.want {
			t.Errorf("%s = %d, want %d", c.name, c.got, c.want)
		}
	}
	if !got.HasLatency {
		t.Error("HasLatency is false")
	}
	if got.TotalMillis() != 60 {
		t.Errorf("TotalMillis = %v, want 60", got.TotalMillis())
	}
	wantSeconds := []stats.SecondCount{{Second: 2, Count: 1}, {Second: 3, Count: 1}, {Second: 4, Count: 1}, {Second: 5, Count: 1}}
	if !slices.Equal(got.PerSecond, wantSeconds) {
		t.Errorf("PerSecond = %v, want %v", got.PerSecond, wantSeconds)
	}
	if !slices.Equal(got.FailPerSecond, wantSeconds[2:]) {
		t.Errorf("FailPerSecond = %v, want %v", got.FailPerSecond, wantSeconds[2:])
	}
	wantErrors := []stats.ErrorStats{{Method: "GET", Name: "/", Text: "refused", Count: 2, First: 4 * time.Second, Last: 5 * time.Second}}
	if !slices.Equal(report.Errors(), wantErrors) {
		t.Errorf("Errors = %v, want %v", report.Errors(), wantErrors)
	}
}

func TestShardWithoutAnyLatencyHasNoMinimum(t *testing.T) {
	shard := stats.NewShard(nil)
	shard.Success(shard.Row("WS", "push"), time.Second, user.NoLatency, 1)
	got := onlyRow(t, reportOf(shard))
	if got.HasLatency || got.MinLatency != 0 || got.MaxLatency != 0 || got.Mean() != 0 || got.Percentile(50) != 0 {
		t.Errorf("a row without latencies has %+v", got)
	}
	if got.LocustBuckets.Len() != 0 {
		t.Errorf("it has %d buckets", got.LocustBuckets.Len())
	}
}

func TestShardDeclarationsAreStable(t *testing.T) {
	shard := stats.NewShard(nil)
	if first, second := shard.Row("GET", "/"), shard.Row("GET", "/"); first != second {
		t.Error("the same row has two numbers")
	}
	if shard.Row("GET", "/") == shard.Row("POST", "/") || shard.Row("GET", "/") == shard.Row("GET", "/a") {
		t.Error("two rows have the same number")
	}
	first, second := shard.Failure("a"), shard.Failure("a")
	if first != second || first == shard.Failure("b") {
		t.Error("failure texts and numbers don't match one to one")
	}
}

func TestShardOmitsWhatRecordedNothing(t *testing.T) {
	shard := stats.NewShard(nil)
	quiet, busy := shard.Row("", "quiet"), shard.Row("", "busy")
	shard.Failure("never seen")
	if !reportOf(shard).Empty() {
		t.Error("declaring alone makes rows in the report")
	}
	shard.Success(quiet, 0, 0, 0)
	shard.Recycle(shard.Swap())
	shard.Swap()
	shard.Success(busy, 0, 0, 0)
	if got := onlyRow(t, reportOf(shard)).Name; got != "busy" {
		t.Errorf("the report has row %q, want only busy", got)
	}
	if block := shard.Swap(); !block.Empty() {
		t.Error("a second Swap hands out samples again")
	}
}

func TestShardBoundsFailureTexts(t *testing.T) {
	shard := stats.NewShard(nil)
	row := shard.Row("GET", "/")
	const extra = 20
	for i := range stats.MaxFailureTexts + extra {
		shard.Fail(row, time.Second, 0, 0, shard.Failure(fmt.Sprintf("failure %d", i)))
	}
	known := shard.Failure("failure 3")
	shard.Fail(row, 2*time.Second, 0, 0, known)

	report := reportOf(shard)
	seen := map[string]int64{}
	for _, e := range report.Errors() {
		seen[e.Text] = e.Count
	}
	if len(seen) != stats.MaxFailureTexts+1 {
		t.Errorf("%d different texts, want %d", len(seen), stats.MaxFailureTexts+1)
	}
	if got := seen["other failures (more than 500 different texts)"]; got != extra {
		t.Errorf("%d failures under the text for the rest, want %d", got, extra)
	}
	if seen["failure 3"] != 2 {
		t.Errorf("a text known before the limit counts %d, want 2", seen["failure 3"])
	}
	if got := onlyRow(t, report).Failures; got != stats.MaxFailureTexts+extra+1 {
		t.Errorf("the row has %d failures", got)
	}
}

func TestShardCountsUndeclaredNumbersUnderANameThatSaysSo(t *testing.T) {
	shard := stats.NewShard(nil)
	for _, number := range []int32{-1, 1 << 30} {
		shard.Fail(user.Row(number), 0, 0, 0, user.Failure(number))
	}
	report := reportOf(shard)
	row := onlyRow(t, report)
	if row.Name != "samples of a row that was never declared" || row.Count != 2 {
		t.Errorf("%d samples under %q", row.Count, row.Name)
	}
	failures := report.Errors()
	if len(failures) != 1 || failures[0].Count != 2 || failures[0].Text != "failures of a text that was never declared" {
		t.Errorf("failures are %v", failures)
	}
}

func TestShardSecondsFollowTheEpochOffset(t *testing.T) {
	type shifted interface {
		user.Recorder
		SetEpochOffset(int64)
		Swap() *stats.Block
	}
	for name, shard := range map[string]shifted{"Shard": stats.NewShard(nil), "LockedShard": stats.NewLockedShard(nil)} {
		t.Run(name, func(t *testing.T) {
			row := shard.Row("GET", "/")
			const unix = int64(1_700_000_000)
			shard.SetEpochOffset(unix*1e9 + 900e6)
			shard.Success(row, 99*time.Millisecond, 0, 0)                   // unix + 0.999 s
			shard.Fail(row, 100*time.Millisecond, 0, 0, shard.Failure("x")) // unix + 1 s
			shard.SetEpochOffset((unix - 5) * 1e9)                          // the master's clock is behind
			shard.Success(row, 100*time.Millisecond, 0, 0)                  // unix - 4.9 s
			shard.SetEpochOffset(-1)                                        // before 1970
			shard.Success(row, 0, 0, 0)                                     // -1 ns
			shard.Success(row, time.Nanosecond, 0, 0)                       // 0

			got := onlyRow(t, reportOf(shard))
			want := []stats.SecondCount{
				{Second: -1, Count: 1},
				{Second: 0, Count: 1},
				{Second: unix - 5, Count: 1},
				{Second: unix, Count: 1},
				{Second: unix + 1, Count: 1},
			}
			if !slices.Equal(got.PerSecond, want) {
				t.Errorf("PerSecond = %v, want %v", got.PerSecond, want)
			}
			if !slices.Equal(got.FailPerSecond, want[4:]) {
				t.Errorf("FailPerSecond = %v, want %v", got.FailPerSecond, want[4:])
			}
		})
	}
}

func TestShardRecycle(t *testing.T) {
	shard, other := stats.NewShard(nil), stats.NewShard(nil)
	row := shard.Row("GET", "/")
	shard.Recycle(nil)
	block := shard.Swap()
	other.Recycle(block)
	shard.Recycle(block)
	shard.Recycle(block)
	// Had the block been taken twice, two of these swaps would share it.
	for i := range 4 {
		shard.Success(row, 0, time.Duration(i), 0)
		first := shard.Swap()
		shard.Success(row, 0, time.Duration(i), 0)
		shard.Success(row, 0, time.Duration(i), 0)
		second := shard.Swap()
		report := &stats.Report{}
		report.Add(first)
		if got := onlyRow(t, report).Count; got != 1 {
			t.Fatalf("the first block has %d samples, want 1", got)
		}
		report.Add(second)
		if got := onlyRow(t, report).Count; got != 3 {
			t.Fatalf("both blocks have %d samples, want 3", got)
		}
		if got := onlyRow(t, report).Histogram.Count(); got != 3 {
			t.Fatalf("both histograms have %d samples, want 3", got)
		}
		shard.Recycle(first)
		shard.Recycle(second)
	}
}

func TestShardForwardsExceptions(t *testing.T) {
	var got []string
	forward := func(message, traceback string) { got = append(got, message+"|"+traceback) }
	stats.NewShard(forward).Exception("a", "b")
	stats.NewLockedShard(forward).Exception("c", "d")
	stats.NewShard(nil).Exception("e", "f")
	stats.NewLockedShard(nil).Exception("g", "h")
	if want := []string{"a|b", "c|d"}; !slices.Equal(got, want) {
		t.Errorf("exceptions = %v, want %v", got, want)
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	type swapper interface {
		user.Recorder
		Swap() *stats.Block
		Recycle(*stats.Block)
	}
	for name, recorder := range map[string]swapper{
		"Shard": stats.NewShard(nil), "LockedShard": stats.NewLockedShard(nil),
	} {
		row := recorder.Row("GET", "/")
		failure := recorder.Failure("refused")
		// Every order of latency, in three different seconds.
		samples := func() {
			for latency := time.Microsecond; latency < time.Hour; latency *= 2 {
				end := latency % (3 * time.Second)
				recorder.Success(row, end, latency, 10)
				recorder.Success(row, end, user.NoLatency, 10)
				recorder.Fail(row, end, latency, 10, failure)
				recorder.Row("GET", "/")
				recorder.Failure("refused")
			}
		}
		samples()
		if allocs := testing.AllocsPerRun(100, samples); allocs != 0 {
			t.Errorf("%s: %v allocations in a round of samples", name, allocs)
		}
		between := func() {
			samples()
			recorder.Recycle(recorder.Swap())
		}
		between() // makes the second block
		between()
		if allocs := testing.AllocsPerRun(100, between); allocs != 0 {
			t.Errorf("%s: %v allocations in a round of samples and a swap", name, allocs)
		}
	}
}
