package stage

import (
	"slices"
	"sync"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// Sample is one call of Success or Fail.
type Sample struct {
	Row          string // method and name
	End, Latency time.Duration
	Bytes        int64
	Failure      string // empty: success
}

// kept is how many samples Books keep; later ones are only counted, so that a
// recorded sample allocates nothing.
const kept = 1 << 12

// Books keep samples. Safe from any goroutine.
type Books struct {
	mu             sync.Mutex
	rows, failures []string
	samples        []Sample
	count          int
	advised        []engine.Failure
	exceptions     []string
}

var _ user.Recorder = (*Books)(nil)

// NewBooks returns empty books.
func NewBooks() *Books { return &Books{samples: make([]Sample, 0, kept)} }

// number is the place of a text in a list that it is added to if need be.
func number(texts *[]string, text string) int {
	if i := slices.Index(*texts, text); i >= 0 {
		return i
	}
	*texts = append(*texts, text)
	return len(*texts) - 1
}

// Row implements user.Recorder.
func (b *Books) Row(method, name string) user.Row {
	b.mu.Lock()
	defer b.mu.Unlock()
	return user.Row(number(&b.rows, method+" "+name))
}

// Failure implements user.Recorder.
func (b *Books) Failure(text string) user.Failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	return user.Failure(number(&b.failures, text))
}

// Success implements user.Recorder.
func (b *Books) Success(row user.Row, end, latency time.Duration, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep(Sample{Row: b.rows[row], End: end, Latency: latency, Bytes: bytes})
}

// Fail implements user.Recorder.
func (b *Books) Fail(row user.Row, end, latency time.Duration, bytes int64, failure user.Failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep(Sample{Row: b.rows[row], End: end, Latency: latency, Bytes: bytes, Failure: b.failures[failure]})
}

func (b *Books) keep(s Sample) {
	b.count++
	if len(b.samples) < kept {
		b.samples = append(b.samples, s)
	}
}

// Exception implements user.Recorder.
func (b *Books) Exception(message, _ string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.exceptions = append(b.exceptions, message)
}

// Advise is user.Scope's.
func (b *Books) Advise(failure engine.Failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advised = append(b.advised, failure)
}

// Samples are those of a row in their order; all if row is empty.
func (b *Books) Samples(row string) []Sample {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.samples), func(s Sample) bool { return row != "" && s.Row != row })
}

// Count is the number of all samples, those that were not kept included.
func (b *Books) Count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}

// Advised are the failures that advice was asked for, in their order.
func (b *Books) Advised() []engine.Failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.advised)
}
