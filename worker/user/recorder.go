package user

import "time"

// Row is a line of the statistics, as one Recorder numbers it.
type Row int32

// Failure is a failure text, as one Recorder numbers it.
type Failure int32

// NoLatency marks a sample that has no response time: it counts as a request
// but not in the averages or percentiles.
const NoLatency time.Duration = -1

// Recorder takes samples. A Recorder of an event loop may only be called on
// that loop's goroutine; the one that blocking users get is safe from any.
// Moments are readings of engine.Clock.
//
// Success and Fail are the hot path: they allocate nothing. Row and Failure
// are for setup; keep what they return.
type Recorder interface {
	// Row declares the statistics line of that method and name; declaring
	// the same twice returns the same Row.
	Row(method, name string) Row
	// Failure declares a failure text; the same text gives the same number.
	// A recorder keeps a bounded number of texts; what comes after them
	// counts under one text that says so.
	Failure(text string) Failure
	// Success counts one sample that ended at end after latency.
	Success(row Row, end, latency time.Duration, bytes int64)
	// Fail counts one sample as a request and as a failure.
	Fail(row Row, end, latency time.Duration, bytes int64, failure Failure)
	// Exception reports an error of the user class's own code, as the
	// master's Exceptions tab shows it: grouped by traceback.
	Exception(message, traceback string)
}
