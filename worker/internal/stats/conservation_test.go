package stats_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"upsurge/worker/internal/stats"
	"upsurge/worker/user"
)

// sample is one call of a recorder; failure "" is a success.
type sample struct {
	method, name, failure string
	end, latency          time.Duration
	bytes                 int64
}

func (s sample) recordIn(recorder user.Recorder) {
	row := recorder.Row(s.method, s.name)
	if s.failure == "" {
		recorder.Success(row, s.end, s.latency, s.bytes)
		return
	}
	recorder.Fail(row, s.end, s.latency, s.bytes, recorder.Failure(s.failure))
}

// randomSample comes from few rows, texts and seconds, so that they meet.
func randomSample(random *rand.Rand) sample {
	s := sample{
		method:  []string{"GET", "POST"}[random.IntN(2)],
		name:    fmt.Sprintf("/%d", random.IntN(4)),
		end:     time.Duration(random.Int64N(int64(20 * time.Second))),
		latency: logUniform(random),
		bytes:   random.Int64N(1 << 40),
	}
	if random.IntN(5) == 0 {
		s.latency = user.NoLatency
	}
	if random.IntN(3) == 0 {
		s.failure = fmt.Sprintf("failure %d", random.IntN(3))
	}
	return s
}

// expected is a row's statistics, worked out from its samples the slow way.
type expected struct {
	count, failures, none, bytes int64
	total, least, most           time.Duration
	first, last                  time.Duration
	perSecond, failPerSecond     map[int64]int64
	buckets                      map[int64]int64
	histogram                    *hdrhistogram.Histogram
}

func expect(samples []sample) expected {
	e := expected{
		first:     samples[0].end,
		least:     1<<63 - 1,
		perSecond: map[int64]int64{}, failPerSecond: map[int64]int64{}, buckets: map[int64]int64{},
		histogram: newOracle(),
	}
	for _, s := range samples {
		e.count++
		e.bytes += s.bytes
		e.first, e.last = min(e.first, s.end), max(e.last, s.end)
		e.perSecond[int64(s.end/time.Second)]++
		if s.failure != "" {
			e.failures++
			e.failPerSecond[int64(s.end/time.Second)]++
		}
		if s.latency == user.NoLatency {
			e.none++
			continue
		}
		e.total += s.latency
		e.least, e.most = min(e.least, s.latency), max(e.most, s.latency)
		e.buckets[floatBucket(min(s.latency, stats.MaxLatency))]++
		if err := e.histogram.RecordValue(roundedMicros(s.latency)); err != nil {
			panic(err)
		}
	}
	return e
}

func (e expected) check(t *testing.T, got *stats.RowStats) {
	t.Helper()
	for _, c := range []struct {
		field     string
		got, want int64
	}{
		{"Count", got.Count, e.count},
		{"Failures", got.Failures, e.failures},
		{"NoneCount", got.NoneCount, e.none},
		{"Bytes", got.Bytes, e.bytes},
		{"TotalLatency", int64(got.TotalLatency()), int64(e.total)},
		{"First", int64(got.First), int64(e.first)},
		{"Last", int64(got.Last), int64(e.last)},
	} {
		if c.got != c.want {
			t.Errorf("%s %s: %s = %d, want %d", got.Method, got.Name, c.field, c.got, c.want)
		}
	}
	if got.HasLatency != (e.count > e.none) {
		t.Errorf("%s %s: HasLatency = %v", got.Method, got.Name, got.HasLatency)
	}
	if got.HasLatency && (got.MinLatency != e.least || got.MaxLatency != e.most) {
		t.Errorf("%s %s: latencies %v to %v, want %v to %v", got.Method, got.Name, got.MinLatency, got.MaxLatency, e.least, e.most)
	}
	if seconds := secondsMap(t, got.PerSecond); !maps.Equal(seconds, e.perSecond) {
		t.Errorf("%s %s: PerSecond = %v, want %v", got.Method, got.Name, seconds, e.perSecond)
	}
	if seconds := secondsMap(t, got.FailPerSecond); !maps.Equal(seconds, e.failPerSecond) {
		t.Errorf("%s %s: FailPerSecond = %v, want %v", got.Method, got.Name, seconds, e.failPerSecond)
	}
	if buckets := bucketsMap(t, &got.LocustBuckets); !maps.Equal(buckets, e.buckets) {
		t.Errorf("%s %s: buckets = %v, want %v", got.Method, got.Name, buckets, e.buckets)
	}
	compareWithOracle(t, &got.Histogram, e.histogram)
}

// secondsMap also checks the order.
func secondsMap(t *testing.T, list []stats.SecondCount) map[int64]int64 {
	t.Helper()
	seconds := map[int64]int64{}
	for i, s := range list {
		if i > 0 && list[i-1].Second >= s.Second {
			t.Errorf("second %d comes after %d", s.Second, list[i-1].Second)
		}
		seconds[s.Second] = s.Count
	}
	return seconds
}

// compareReport checks a report against the samples that went into it.
func compareReport(t *testing.T, report *stats.Report, samples []sample) {
	t.Helper()
	type line struct{ method, name string }
	byRow, failures := map[line][]sample{}, map[[3]string]int64{}
	for _, s := range samples {
		key := line{s.method, s.name}
		byRow[key] = append(byRow[key], s)
		if s.failure != "" {
			failures[[3]string{s.method, s.name, s.failure}]++
		}
	}
	if len(report.Rows()) != len(byRow) {
		t.Errorf("%d rows, want %d", len(report.Rows()), len(byRow))
	}
	for _, row := range report.Rows() {
		expect(byRow[line{row.Method, row.Name}]).check(t, row)
	}
	expect(samples).check(t, report.Total())

	got := map[[3]string]int64{}
	for _, e := range report.Errors() {
		got[[3]string{e.Method, e.Name, e.Text}] = e.Count
	}
	if !maps.Equal(got, failures) {
		t.Errorf("errors = %v, want %v", got, failures)
	}
}

// TestNothingIsLost records in three shards, swaps and recycles them at
// random moments, and adds the blocks up in two reports that are merged.
func TestNothingIsLost(t *testing.T) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 1))
		shards := []*stats.Shard{stats.NewShard(nil), stats.NewShard(nil), stats.NewShard(nil)}
		var reports [2]stats.Report
		var samples []sample
		waiting := make([][]*stats.Block, len(shards)) // swapped, not yet added
		collect := func(i int) {
			for _, block := range waiting[i] {
				reports[random.IntN(len(reports))].Add(block)
				if random.IntN(4) > 0 {
					shards[i].Recycle(block)
				}
			}
			waiting[i] = nil
		}
		for range 1 + random.IntN(2000) {
			s := randomSample(random)
			samples = append(samples, s)
			i := random.IntN(len(shards))
			s.recordIn(shards[i])
			switch random.IntN(50) {
			case 0, 1:
				waiting[i] = append(waiting[i], shards[i].Swap())
			case 2:
				collect(i)
			}
		}
		for i, shard := range shards {
			waiting[i] = append(waiting[i], shard.Swap())
			collect(i)
		}
		var whole stats.Report
		whole.Merge(&reports[0])
		whole.Merge(&reports[1])
		compareReport(t, &whole, samples)
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

// TestLockedShardLosesNothing lets goroutines record while another swaps.
func TestLockedShardLosesNothing(t *testing.T) {
	const goroutines, each = 8, 2000
	shard := stats.NewLockedShard(nil)
	recorded := make([][]sample, goroutines)
	var recorders sync.WaitGroup
	for g := range goroutines {
		recorders.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 2))
			for range each {
				s := randomSample(random)
				recorded[g] = append(recorded[g], s)
				s.recordIn(shard)
			}
		})
	}
	done := make(chan struct{})
	go func() { recorders.Wait(); close(done) }()
	var report stats.Report
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		block := shard.Swap()
		report.Add(block)
		shard.Recycle(block)
	}
	compareReport(t, &report, slices.Concat(recorded...))
}

// TestBlocksAreReadWhileTheShardGoesOn hands blocks to a reading goroutine as
// the worker does; the race detector is the judge of what is shared.
func TestBlocksAreReadWhileTheShardGoesOn(t *testing.T) {
	full, read := make(chan *stats.Block), make(chan *stats.Block, 100)
	result := make(chan *stats.Report)
	go func() {
		report := &stats.Report{}
		for block := range full {
			report.Add(block)
			read <- block
		}
		result <- report
	}()
	shard := stats.NewShard(nil)
	random := rand.New(rand.NewPCG(1, 3))
	var samples []sample
	for i := range 100 {
		for range 100 {
			s := randomSample(random)
			s.name = fmt.Sprintf("/%d", random.IntN(i+1)) // new rows keep coming
			samples = append(samples, s)
			s.recordIn(shard)
		}
		select {
		case block := <-read:
			shard.Recycle(block)
		default:
		}
		full <- shard.Swap()
	}
	close(full)
	compareReport(t, <-result, samples)
}
