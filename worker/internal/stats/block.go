package stats

import (
	"math"
	"time"

	"upsurge/worker/user"
)

const (
	maxDuration = time.Duration(math.MaxInt64)
	// beforeAllTime is so far from any moment that no sample falls into the
	// second that begins there.
	beforeAllTime = time.Duration(math.MinInt64)
)

// Block is what one shard counted between two swaps. Whoever Swap gave it to
// may read it, until it is recycled.
type Block struct {
	rows    []rowCounts // by user.Row
	touched []user.Row  // the rows with at least one sample

	// Set by Swap. The shard appends to the arrays behind the two tables
	// while the block is read, but beyond their ends.
	owner        *Shard
	rowKeys      []rowKey
	failureTexts []string
}

// Empty tells whether nothing was recorded.
func (b *Block) Empty() bool { return len(b.touched) == 0 }

// rowCounts is what a block holds of one row.
type rowCounts struct {
	count, failed, none, bytes int64
	// total can't overflow between two swaps: a million users who all wait,
	// all the time, fill it in two and a half hours.
	total    time.Duration
	min, max time.Duration // meaningful if count > none
	first    time.Duration
	last     time.Duration

	secondStart time.Duration // the moment at which second begins
	second      *secondCounts // an element of seconds
	seconds     []secondCounts

	failures  []failureCounts // by user.Failure
	histogram Histogram
	buckets   LocustBuckets
}

// secondCounts is what happened in one second of the wall clock.
type secondCounts struct {
	second             int64 // Unix time
	requests, failures int64
}

// failureCounts is how often and when one failure text was seen.
type failureCounts struct {
	count       int64
	first, last time.Duration
}

// findSecond returns the counters of a second, new ones at the end if need
// be. The one wanted is nearly always the last one or new; samples that come
// late by a second or two are found near the end.
func (r *rowCounts) findSecond(second int64) *secondCounts {
	for i := len(r.seconds) - 1; i >= 0; i-- {
		if r.seconds[i].second == second {
			return &r.seconds[i]
		}
	}
	r.seconds = append(r.seconds, secondCounts{second: second})
	return &r.seconds[len(r.seconds)-1]
}

// forgetSecond makes the next sample look its second up again.
func (r *rowCounts) forgetSecond() {
	r.secondStart = beforeAllTime
	r.second = nil
}

// empty returns the row to its state before its first sample. It keeps its
// short slices and gives its pages to the pool.
func (r *rowCounts) empty(pool *pagePool) {
	pool.takeBack(r.histogram.pages[:])
	pool.takeBack(r.buckets.pages[:])
	clear(r.failures)
	*r = rowCounts{
		secondStart: beforeAllTime,
		seconds:     r.seconds[:0],
		failures:    r.failures,
	}
}
