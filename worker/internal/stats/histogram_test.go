package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"upsurge/worker/internal/stats"
)

// newOracle is the library's histogram with our limits.
func newOracle() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, stats.MaxLatency.Microseconds(), 3)
}

// roundedMicros is what the histogram is documented to count a latency as.
func roundedMicros(latency time.Duration) int64 {
	latency = min(max(latency, 0), stats.MaxLatency)
	return int64((latency + time.Microsecond/2) / time.Microsecond)
}

// logUniform is a latency of any order of magnitude from 1 ns to 2 h.
func logUniform(random *rand.Rand) time.Duration {
	return time.Duration(math.Exp(random.Float64() * math.Log(float64(2*time.Hour))))
}

var testedPercentiles = []float64{math.Inf(-1), -1, 0, 0.001, 1, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 99.999, 100, 101, math.NaN()}

func TestHistogramEqualsTheLibrarys(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, samples := range []int{0, 1, 2, 3, 10, 1000, 30000} {
		var histogram stats.Histogram
		oracle := newOracle()
		for range samples {
			latency := logUniform(random)
			histogram.Record(latency)
			if err := oracle.RecordValue(roundedMicros(latency)); err != nil {
				t.Fatalf("the library refuses %v: %v", latency, err)
			}
		}
		compareWithOracle(t, &histogram, oracle)
	}
}

// compareWithOracle checks each count and the percentiles.
func compareWithOracle(t *testing.T, histogram *stats.Histogram, oracle *hdrhistogram.Histogram) {
	t.Helper()
	if !histogram.Export().Equals(oracle) {
		t.Errorf("the exported histogram of %d samples differs from the library's", oracle.TotalCount())
	}
	if histogram.Count() != oracle.TotalCount() {
		t.Errorf("Count() = %d, the library has %d", histogram.Count(), oracle.TotalCount())
	}
	for _, p := range testedPercentiles {
		got, want := histogram.Percentile(p).Microseconds(), oracle.ValueAtPercentile(p)
		if got != want {
			t.Errorf("Percentile(%v) of %d samples = %d µs, the library says %d", p, oracle.TotalCount(), got, want)
		}
	}
}

func TestHistogramAtEveryEdge(t *testing.T) {
	for power := range 34 {
		for _, near := range []time.Duration{-501, -500, -499, -1, 0, 1, 499, 500, 501} {
			latency := time.Duration(1<<power)*time.Microsecond + near
			var histogram stats.Histogram
			histogram.Record(latency)
			oracle := newOracle()
			if err := oracle.RecordValue(roundedMicros(latency)); err != nil {
				t.Fatal(err)
			}
			compareWithOracle(t, &histogram, oracle)
		}
	}
}

func TestHistogramClampsToItsRange(t *testing.T) {
	var histogram stats.Histogram
	histogram.Record(-time.Second)
	histogram.Record(math.MaxInt64)
	if got := histogram.Percentile(0); got != 0 {
		t.Errorf("a negative latency counts as %v, want 0", got)
	}
	if got := histogram.Percentile(100); got != stats.MaxLatency {
		t.Errorf("the longest latency counts as %v, want %v", got, stats.MaxLatency)
	}
}

func TestHistogramMergeIsTheSum(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var parts [3]stats.Histogram
	var whole, merged stats.Histogram
	for range 5000 {
		latency := logUniform(random)
		parts[random.IntN(len(parts))].Record(latency)
		whole.Record(latency)
	}
	for i := range parts {
		before := parts[i].Export()
		merged.Merge(&parts[i])
		if !parts[i].Export().Equals(before) {
			t.Errorf("merging changed part %d", i)
		}
	}
	if !merged.Export().Equals(whole.Export()) {
		t.Error("the merged parts differ from the whole")
	}
	merged.Record(time.Millisecond)
	if got, want := parts[0].Count()+parts[1].Count()+parts[2].Count(), whole.Count(); got != want {
		t.Errorf("recording into the merged histogram changed a part: %d samples, want %d", got, want)
	}
}
