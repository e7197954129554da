package stats_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"upsurge/worker/internal/stats"
	"upsurge/worker/user"
)

// spreadLatencies are 4096 latencies around 1 ms, in random order, so that
// neither the branch predictor nor the cache sees a single bucket.
func spreadLatencies() []time.Duration {
	random := rand.New(rand.NewPCG(1, 1))
	latencies := make([]time.Duration, 4096)
	for i := range latencies {
		latencies[i] = time.Duration((0.2 + random.ExpFloat64()) * float64(time.Millisecond))
	}
	return latencies
}

// benchmarkSamples records b.N samples, a million in each second of their
// own clock, with a swap each three million as a worker does.
func benchmarkSamples(b *testing.B, recorder user.Recorder, sample func(row user.Row, end, latency time.Duration)) {
	latencies := spreadLatencies()
	rows := make([]user.Row, 8)
	for i := range rows {
		rows[i] = recorder.Row("GET", fmt.Sprintf("/%d", i))
	}
	swapper := recorder.(interface {
		Swap() *stats.Block
		Recycle(*stats.Block)
	})
	end := time.Duration(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		end += time.Microsecond
		sample(rows[i%len(rows)], end, latencies[i%len(latencies)])
		if i%3_000_000 == 2_999_999 {
			swapper.Recycle(swapper.Swap())
		}
	}
}

func BenchmarkRecorderSuccess(b *testing.B) {
	shard := stats.NewShard(nil)
	benchmarkSamples(b, shard, func(row user.Row, end, latency time.Duration) {
		shard.Success(row, end, latency, 100)
	})
}

func BenchmarkRecorderFail(b *testing.B) {
	shard := stats.NewShard(nil)
	failure := shard.Failure("connection refused")
	benchmarkSamples(b, shard, func(row user.Row, end, latency time.Duration) {
		shard.Fail(row, end, latency, 100, failure)
	})
}

func BenchmarkRecorderLocked(b *testing.B) {
	shard := stats.NewLockedShard(nil)
	benchmarkSamples(b, shard, func(row user.Row, end, latency time.Duration) {
		shard.Success(row, end, latency, 100)
	})
}

// BenchmarkSwap is what the loop pays for handing over and taking back.
func BenchmarkSwap(b *testing.B) {
	for _, rows := range []int{1, 1000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			shard := stats.NewShard(nil)
			numbers := declareRows(shard, rows)
			b.ReportAllocs()
			for b.Loop() {
				for _, row := range numbers {
					shard.Success(row, time.Second, time.Millisecond, 1)
				}
				shard.Recycle(shard.Swap())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
		})
	}
}

// BenchmarkSwapAndMerge is a report's whole way, for 10 rows with 4096
// latencies each.
func BenchmarkSwapAndMerge(b *testing.B) {
	shard := stats.NewShard(nil)
	numbers := declareRows(shard, 10)
	latencies := spreadLatencies()
	var report stats.Report
	for b.Loop() {
		b.StopTimer()
		for _, row := range numbers {
			for _, latency := range latencies {
				shard.Success(row, time.Second, latency, 1)
			}
		}
		b.StartTimer()
		block := shard.Swap()
		report.Reset()
		report.Add(block)
		report.Total()
		shard.Recycle(block)
	}
}

// BenchmarkPercentile shows that the cost doesn't grow with the samples.
func BenchmarkPercentile(b *testing.B) {
	for _, samples := range []int64{1e3, 1e8} {
		b.Run(fmt.Sprintf("samples=%.0e", float64(samples)), func(b *testing.B) {
			row := rowWithSamples(samples)
			b.ReportAllocs()
			for b.Loop() {
				row.Percentile(99)
			}
		})
	}
}

// rowWithSamples records up to a hundred thousand samples and multiplies them
// by merging.
func rowWithSamples(samples int64) *stats.RowStats {
	recorded := min(samples, 100_000)
	shard := stats.NewShard(nil)
	row := shard.Row("GET", "/")
	random := rand.New(rand.NewPCG(1, 1))
	for range recorded {
		shard.Success(row, time.Second, time.Duration((0.2+random.ExpFloat64())*float64(time.Millisecond)), 1)
	}
	block := shard.Swap()
	var report stats.Report
	for range samples / recorded {
		report.Add(block)
	}
	return report.Rows()[0]
}

func declareRows(recorder user.Recorder, rows int) []user.Row {
	numbers := make([]user.Row, rows)
	for i := range numbers {
		numbers[i] = recorder.Row("GET", fmt.Sprintf("/%d", i))
	}
	return numbers
}
