package tcp

import (
	"strconv"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// maxShown is how much of wrong data a failure's text shows.
const maxShown = 64

// Failures counts failures under their names. Loop goroutine only.
type Failures struct {
	scope   user.Scope
	named   [engine.Other + 1]user.Failure
	advised [engine.Other + 1]bool
}

// NewFailures declares the names.
func NewFailures(scope user.Scope) *Failures {
	f := &Failures{scope: scope}
	for kind := range f.named {
		f.named[kind] = scope.Failure(engine.Failure(kind).String())
	}
	return f
}

// Count counts an error of the engine on a row, and has the advice against
// it logged the first time.
func (f *Failures) Count(row user.Row, end, latency time.Duration, err error) {
	kind := engine.Classify(err)
	f.scope.Fail(row, end, latency, 0, f.named[kind])
	if !f.advised[kind] {
		f.advised[kind] = true
		f.scope.Advise(kind)
	}
}

// CountWrongData counts a payload that is not the expected one.
func (f *Failures) CountWrongData(row user.Row, end, latency time.Duration, bytes int64, data []byte) {
	f.scope.Fail(row, end, latency, bytes, f.scope.Failure("wrong data: "+Quote(data)))
}

// Quote shows the beginning of data as text.
func Quote(data []byte) string {
	if len(data) <= maxShown {
		return strconv.QuoteToASCII(string(data))
	}
	return strconv.QuoteToASCII(string(data[:maxShown])) + "..."
}
