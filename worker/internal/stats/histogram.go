package stats

import (
	"math/bits"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// MaxLatency is the largest latency that a distribution tells apart,
	// about 71.6 minutes. Longer ones are counted as this one, in the
	// histogram and in Locust's buckets; a row's sum and maximum stay exact.
	MaxLatency = maxMicros * time.Microsecond

	maxMicros         = 1<<32 - 1
	significantDigits = 3
	// pageBits is log2(pageSize).
	pageBits = 10
	// histogramPages: page 0 has the values below pageSize µs, each page
	// after it one more power of two, up to 32 bits.
	histogramPages = 32 - pageBits + 1
)

// Histogram is a distribution of latencies with the layout of HdrHistogram
// (https://hdrhistogram.github.io/HdrHistogram/): whole microseconds, three
// significant digits, from 1 µs to MaxLatency. A latency is rounded to the
// nearest microsecond. The zero Histogram is empty and ready. Not safe for
// use by several goroutines while one of them adds.
type Histogram struct {
	pages [histogramPages]*page
}

// histogramPosition is where a latency from 0 to MaxLatency is counted. Page
// 0 and 1 have a counter for each microsecond (below 2048); each page after
// them covers twice as much as the one before in as many counters.
func histogramPosition(latency time.Duration) (pageIndex, offset uint64) {
	micros := uint64(latency+500*time.Nanosecond) / 1000
	pageIndex = uint64(max(bits.Len64(micros)-pageBits, 0))
	return pageIndex, micros >> (max(pageIndex, 1) - 1) & (pageSize - 1)
}

// Record counts one latency: below zero counts as zero, above MaxLatency as
// MaxLatency.
func (h *Histogram) Record(latency time.Duration) {
	pageIndex, offset := histogramPosition(min(max(latency, 0), MaxLatency))
	if h.pages[pageIndex] == nil {
		h.pages[pageIndex] = new(page)
	}
	h.pages[pageIndex][offset]++
}

// Merge adds every count of other.
func (h *Histogram) Merge(other *Histogram) { addPages(h.pages[:], other.pages[:]) }

// Count is the number of latencies.
func (h *Histogram) Count() int64 {
	total := int64(0)
	for _, p := range h.pages {
		if p == nil {
			continue
		}
		for _, n := range p {
			total += n
		}
	}
	return total
}

// Percentile is the largest latency that the histogram can't tell from the
// one below or at which p percent lie; p is from 0 to 100, and what is
// outside counts as the nearer end. 0 if the histogram is empty. The result
// is that of HdrHistogram's getValueAtPercentile. The cost depends on the
// spread of the latencies (23 pages at most), not on their number.
func (h *Histogram) Percentile(p float64) time.Duration {
	p = min(max(p, 0), 100)
	rank := percentileRank(p, h.Count())
	seen := int64(0)
	for pageIndex, counters := range h.pages {
		if counters == nil {
			continue
		}
		for offset, n := range counters {
			if seen += n; seen >= rank {
				return valueAt(pageIndex, offset, p != 0)
			}
		}
	}
	return 0
}

// percentileRank is how many latencies lie at or below percentile p: the
// nearest whole number, halves upwards, from 1 to total, as in HdrHistogram.
func percentileRank(p float64, total int64) int64 {
	rank := p/100*float64(total) + 0.5
	switch {
	case !(rank >= 1): // also when p is not a number
		return 1
	case rank >= float64(total): // before the conversion, which could overflow
		return total
	default:
		return int64(rank)
	}
}

// valueAt is the highest or the lowest latency of a counter.
func valueAt(pageIndex, offset int, highest bool) time.Duration {
	shift := max(pageIndex-1, 0)
	micros := int64(offset)
	if pageIndex > 0 {
		micros += pageSize
	}
	micros <<= shift
	if highest {
		micros += 1<<shift - 1
	}
	return time.Duration(micros) * time.Microsecond
}

// Export is a copy as a histogram of hdrhistogram-go, in microseconds, for
// its writers of .hgrm and .hlog files.
func (h *Histogram) Export() *hdrhistogram.Histogram {
	counts := make([]int64, histogramPages*pageSize)
	for i, p := range h.pages {
		if p != nil {
			copy(counts[i*pageSize:], p[:])
		}
	}
	return hdrhistogram.Import(&hdrhistogram.Snapshot{
		LowestTrackableValue:           1,
		HighestTrackableValue:          maxMicros,
		SignificantFigures:             significantDigits,
		IntegerToDoubleConversionRatio: 1,
		Counts:                         counts,
	})
}
