// Package stats counts samples where they arise and adds them up elsewhere.
// A Shard belongs to the goroutine of one event loop; what it has counted is
// handed over as a Block, and a Report is the sum of blocks, held by the one
// goroutine that made it. Nothing here does I/O or reads a clock.
package stats

import (
	"slices"
	"time"

	"upsurge/worker/user"
)

// MaxFailureTexts is how many different failure texts a shard tells apart.
// What comes after them is counted under overflowText, so that a system that
// puts an identifier in each of its errors can't fill the memory of the
// worker and the master.
const MaxFailureTexts = 500

const (
	overflowText      = "other failures (more than 500 different texts)"
	undeclaredRow     = "samples of a row that was never declared"
	undeclaredFailure = "failures of a text that was never declared"
)

// maxSpareBlocks is how many recycled blocks a shard keeps: one is enough
// while swaps take turns with merges, the second covers a late merge.
const maxSpareBlocks = 2

// rowKey identifies a statistics line.
type rowKey struct{ method, name string }

// Shard counts the samples of one event loop; it implements user.Recorder.
// Every method is for the goroutine of that loop only. Counting a sample
// takes no lock and, once the row has been used at that order of latency, no
// memory.
type Shard struct {
	active *Block
	spares []*Block
	pool   pagePool

	rowNumbers     map[rowKey]user.Row
	rowKeys        []rowKey // by user.Row; grows only at its end
	failureNumbers map[string]user.Failure
	failureTexts   []string // by user.Failure; grows only at its end

	epochOffset int64 // Unix nanoseconds of the clock's origin
	onException func(message, traceback string)
}

var _ user.Recorder = (*Shard)(nil)

// NewShard returns an empty shard. It passes exceptions on to onException, on
// the goroutine that reports them; nil drops them. Until SetEpochOffset is
// called, its seconds are those since the clock's origin.
func NewShard(onException func(message, traceback string)) *Shard {
	return &Shard{
		active:         &Block{},
		rowNumbers:     make(map[rowKey]user.Row),
		failureNumbers: make(map[string]user.Failure),
		onException:    onException,
	}
}

// SetEpochOffset tells what time it was at the clock's origin, in Unix
// nanoseconds: engine.Clock's Wall(0) to begin with, and the same by the
// master's clock as soon as that is known, because the master compares the
// seconds of a report with its own. It applies to the samples that follow.
func (s *Shard) SetEpochOffset(unixNanos int64) {
	s.epochOffset = unixNanos
	for i := range s.active.rows {
		s.active.rows[i].forgetSecond()
	}
}

// Row declares a statistics line; the same line gives the same number.
func (s *Shard) Row(method, name string) user.Row {
	key := rowKey{method: method, name: name}
	if row, ok := s.rowNumbers[key]; ok {
		return row
	}
	row := user.Row(len(s.rowKeys))
	s.rowKeys = append(s.rowKeys, key)
	s.rowNumbers[key] = row
	return row
}

// Failure declares a failure text; the same text gives the same number. After
// MaxFailureTexts of them every new text gives the number of one that says so.
func (s *Shard) Failure(text string) user.Failure {
	if failure, ok := s.failureNumbers[text]; ok {
		return failure
	}
	if len(s.failureTexts) >= MaxFailureTexts {
		return s.addFailure(overflowText)
	}
	return s.addFailure(text)
}

// addFailure numbers a text whatever the limit; the texts of this package
// come on top of it.
func (s *Shard) addFailure(text string) user.Failure {
	if failure, ok := s.failureNumbers[text]; ok {
		return failure
	}
	failure := user.Failure(len(s.failureTexts))
	s.failureTexts = append(s.failureTexts, text)
	s.failureNumbers[text] = failure
	return failure
}

// Success counts one sample. A latency below zero means that there is none
// (user.NoLatency).
func (s *Shard) Success(row user.Row, end, latency time.Duration, bytes int64) {
	s.record(row, end, latency, bytes)
}

// Fail counts one sample as a request and as a failure.
func (s *Shard) Fail(row user.Row, end, latency time.Duration, bytes int64, failure user.Failure) {
	r := s.record(row, end, latency, bytes)
	r.failed++
	r.second.failures++
	if uint(failure) >= uint(len(r.failures)) {
		failure = s.growFailures(r, failure)
	}
	f := &r.failures[failure]
	if f.count == 0 {
		f.first, f.last = end, end
	}
	f.count++
	f.first = min(f.first, end)
	f.last = max(f.last, end)
}

// Exception passes an error of the user class's own code on.
func (s *Shard) Exception(message, traceback string) {
	if s.onException != nil {
		s.onException(message, traceback)
	}
}

// record counts everything of a sample but its failure. What is rare (a row's
// first sample, a new second, a page's first sample) leaves the straight line.
func (s *Shard) record(row user.Row, end, latency time.Duration, bytes int64) *rowCounts {
	if uint(row) >= uint(len(s.active.rows)) {
		row = s.growRows(row)
	}
	r := &s.active.rows[row]
	if uint64(end-r.secondStart) >= uint64(time.Second) {
		s.enterSecond(row, r, end)
	}
	r.count++
	r.second.requests++
	r.bytes += bytes
	r.first = min(r.first, end)
	r.last = max(r.last, end)
	if latency < 0 {
		r.none++
		return r
	}
	r.total += latency
	r.min = min(r.min, latency)
	r.max = max(r.max, latency)
	s.distribute(r, min(latency, MaxLatency))
	return r
}

func (s *Shard) distribute(r *rowCounts, latency time.Duration) {
	pageIndex, offset := histogramPosition(latency)
	counters := r.histogram.pages[pageIndex]
	if counters == nil {
		counters = s.pool.take()
		r.histogram.pages[pageIndex] = counters
	}
	counters[offset]++

	bucket := bucketIndex(latency)
	counters = r.buckets.pages[bucket/pageSize]
	if counters == nil {
		counters = s.pool.take()
		r.buckets.pages[bucket/pageSize] = counters
	}
	counters[bucket%pageSize]++
}

// enterSecond finds the counters of the second that end lies in. It is also
// where a row's first sample since the last swap comes along.
func (s *Shard) enterSecond(row user.Row, r *rowCounts, end time.Duration) {
	if r.count == 0 {
		s.active.touched = append(s.active.touched, row)
		r.first, r.last, r.min = end, end, maxDuration
	}
	unix := int64(end) + s.epochOffset
	second := unix / int64(time.Second)
	if unix < second*int64(time.Second) { // Go divides towards zero
		second--
	}
	r.secondStart = time.Duration(second*int64(time.Second) - s.epochOffset)
	r.second = r.findSecond(second)
}

// growRows makes room for the rows declared since the block was begun. A
// number that no row has, a fault of the task, gives a row that says so.
func (s *Shard) growRows(row user.Row) user.Row {
	if uint(row) >= uint(len(s.rowKeys)) {
		row = s.Row("", undeclaredRow)
	}
	b := s.active
	for len(b.rows) < len(s.rowKeys) {
		b.rows = append(b.rows, rowCounts{secondStart: beforeAllTime})
	}
	return row
}

// growFailures is growRows for the failures of one row.
func (s *Shard) growFailures(r *rowCounts, failure user.Failure) user.Failure {
	if uint(failure) >= uint(len(s.failureTexts)) {
		failure = s.addFailure(undeclaredFailure)
	}
	for len(r.failures) <= int(failure) {
		r.failures = append(r.failures, failureCounts{})
	}
	return failure
}

// Swap hands out everything recorded since the last Swap. The shard has done
// with the block, so any goroutine may read it; give it back with Recycle, or
// drop it. Costs no more with many rows than with one.
func (s *Shard) Swap() *Block {
	full := s.active
	full.owner = s
	full.rowKeys = slices.Clip(s.rowKeys)
	full.failureTexts = slices.Clip(s.failureTexts)
	last := len(s.spares) - 1
	if last < 0 {
		s.active = &Block{}
		return full
	}
	s.active = s.spares[last]
	s.spares = s.spares[:last]
	return full
}

// Recycle takes a block back for a later Swap; nobody may read it any more.
// A block that is not out, or is another shard's, is left alone.
func (s *Shard) Recycle(b *Block) {
	if b == nil || b.owner != s {
		return
	}
	b.owner = nil
	for _, row := range b.touched {
		b.rows[row].empty(&s.pool)
	}
	b.touched = b.touched[:0]
	if len(s.spares) < maxSpareBlocks {
		s.spares = append(s.spares, b)
	}
}
