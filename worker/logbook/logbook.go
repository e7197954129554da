// Package logbook keeps the last lines of a log, so that a master can show
// them.
package logbook

import (
	"bytes"
	"slices"
	"sync"
)

// MaxLines is how many lines are kept: what Locust's own workers keep.
const MaxLines = 500

// Book is a ring of lines. Safe from any goroutine.
type Book struct {
	mu      sync.Mutex
	lines   []string
	partial []byte
	version uint64
}

// New returns an empty book.
func New() *Book { return &Book{} }

// MaxLine is how long a line may be, in bytes; a longer one is kept as
// several, so that neither memory nor the message to the master outgrows it.
const MaxLine = 64 << 10

// Write keeps the lines in p. It never fails.
func (b *Book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.partial = append(b.partial, p...)
	for {
		end := bytes.IndexByte(b.partial[:min(len(b.partial), MaxLine+1)], '\n')
		next := end + 1
		if end < 0 {
			if len(b.partial) <= MaxLine {
				return len(p), nil
			}
			end, next = MaxLine, MaxLine
		}
		b.add(string(b.partial[:end]))
		b.partial = append(b.partial[:0], b.partial[next:]...)
	}
}

func (b *Book) add(line string) {
	if len(b.lines) == MaxLines {
		b.lines = slices.Delete(b.lines, 0, 1)
	}
	b.lines = append(b.lines, line)
	b.version++
}

// Since returns all lines and a version if there are lines newer than the
// given version, and nil otherwise. The first version to ask for is 0.
func (b *Book) Since(version uint64) (lines []string, now uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.version == version {
		return nil, version
	}
	return slices.Clone(b.lines), b.version
}
