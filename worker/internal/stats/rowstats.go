package stats

import (
	"math"
	"math/bits"
	"slices"
	"time"
)

// RowStats is one line of a report: the sums over every sample of a method
// and name. Moments are readings of the clock that the samples came with.
type RowStats struct {
	Method, Name string

	Count     int64 // requests, those that failed included
	Failures  int64
	NoneCount int64 // requests without a latency
	Bytes     int64

	// HasLatency tells whether there is a minimum and a maximum: at least one
	// sample had a latency. Zero is a latency, not the lack of one.
	HasLatency             bool
	MinLatency, MaxLatency time.Duration
	latencySum             wideSum

	First, Last time.Duration // moments of the earliest and the latest sample

	Histogram     Histogram
	LocustBuckets LocustBuckets

	// Requests and failures by second, ascending; seconds without are absent.
	PerSecond     []SecondCount
	FailPerSecond []SecondCount
}

// SecondCount is a number of events in one second, given as Unix time by the
// clock that the shards were told of (SetEpochOffset).
type SecondCount struct {
	Second int64
	Count  int64
}

// ErrorStats is how often one failure text was seen on one row, and the
// moments of the first and the last time.
type ErrorStats struct {
	Method, Name, Text string
	Count              int64
	First, Last        time.Duration
}

// Millis is a duration in milliseconds, the nearest that a float64 can be.
func Millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// TotalLatency is the sum of all latencies. It stops at the largest Duration,
// 292 years; TotalMillis and Mean go on.
func (r *RowStats) TotalLatency() time.Duration { return r.latencySum.duration() }

// TotalMillis is the sum of all latencies in milliseconds.
func (r *RowStats) TotalMillis() float64 { return r.latencySum.nanos() / float64(time.Millisecond) }

// Mean is the mean latency of the samples that have one; 0 if none has.
func (r *RowStats) Mean() time.Duration {
	if samples := r.Count - r.NoneCount; samples > 0 {
		return time.Duration(r.latencySum.nanos() / float64(samples))
	}
	return 0
}

// Percentile is Histogram.Percentile within the exact minimum and maximum: a
// counter's upper end can lie above the slowest sample in it. p is from 0 to
// 100; 0 if no sample has a latency.
func (r *RowStats) Percentile(p float64) time.Duration {
	if !r.HasLatency {
		return 0
	}
	if p >= 100 {
		return r.MaxLatency
	}
	return min(max(r.Histogram.Percentile(p), r.MinLatency), r.MaxLatency)
}

// addBlock adds what a block holds of the row.
func (r *RowStats) addBlock(counts *rowCounts) {
	r.include(counts.first, counts.last)
	if counts.count > counts.none {
		r.includeLatencies(counts.min, counts.max)
	}
	r.Count += counts.count
	r.Failures += counts.failed
	r.NoneCount += counts.none
	r.Bytes += counts.bytes
	r.latencySum.add(wideSum{low: uint64(counts.total)})
	r.Histogram.Merge(&counts.histogram)
	r.LocustBuckets.Merge(&counts.buckets)
	for _, s := range counts.seconds {
		r.PerSecond = addSecond(r.PerSecond, s.second, s.requests)
		r.FailPerSecond = addSecond(r.FailPerSecond, s.second, s.failures)
	}
}

// merge adds another line's sums, whatever its name.
func (r *RowStats) merge(other *RowStats) {
	r.include(other.First, other.Last)
	if other.HasLatency {
		r.includeLatencies(other.MinLatency, other.MaxLatency)
	}
	r.Count += other.Count
	r.Failures += other.Failures
	r.NoneCount += other.NoneCount
	r.Bytes += other.Bytes
	r.latencySum.add(other.latencySum)
	r.Histogram.Merge(&other.Histogram)
	r.LocustBuckets.Merge(&other.LocustBuckets)
	for _, s := range other.PerSecond {
		r.PerSecond = addSecond(r.PerSecond, s.Second, s.Count)
	}
	for _, s := range other.FailPerSecond {
		r.FailPerSecond = addSecond(r.FailPerSecond, s.Second, s.Count)
	}
}

// include widens the row's time span; before its first sample it has none.
func (r *RowStats) include(first, last time.Duration) {
	if r.Count == 0 {
		r.First, r.Last = first, last
		return
	}
	r.First = min(r.First, first)
	r.Last = max(r.Last, last)
}

func (r *RowStats) includeLatencies(least, most time.Duration) {
	if !r.HasLatency {
		r.HasLatency = true
		r.MinLatency, r.MaxLatency = least, most
		return
	}
	r.MinLatency = min(r.MinLatency, least)
	r.MaxLatency = max(r.MaxLatency, most)
}

// addSecond keeps the list ascending. Nearly always the second is one of the
// last few.
func addSecond(list []SecondCount, second, count int64) []SecondCount {
	if count == 0 {
		return list
	}
	at := len(list)
	for at > 0 && list[at-1].Second > second {
		at--
	}
	if at > 0 && list[at-1].Second == second {
		list[at-1].Count += count
		return list
	}
	return slices.Insert(list, at, SecondCount{Second: second, Count: count})
}

// wideSum is a 128-bit sum of nanoseconds. 64 bits hold 292 years, which a
// million users who wait for slow answers fill in two and a half hours.
type wideSum struct{ high, low uint64 }

func (s *wideSum) add(other wideSum) {
	var carry uint64
	s.low, carry = bits.Add64(s.low, other.low, 0)
	s.high, _ = bits.Add64(s.high, other.high, carry)
}

func (s wideSum) nanos() float64 { return math.Ldexp(float64(s.high), 64) + float64(s.low) }

func (s wideSum) duration() time.Duration {
	if s.high > 0 || s.low > math.MaxInt64 {
		return maxDuration
	}
	return time.Duration(s.low)
}
