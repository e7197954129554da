package logbook_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"upsurge/worker/logbook"
)

func TestLines(t *testing.T) {
	long := strings.Repeat("x", logbook.MaxLine)
	cases := []struct {
		name   string
		writes []string
		want   []string
	}{
		{name: "nothing"},
		{name: "nothing written", writes: []string{""}},
		{name: "one", writes: []string{"a\n"}, want: []string{"a"}},
		{name: "several at once", writes: []string{"a\nb\n\nc\n"}, want: []string{"a", "b", "", "c"}},
		{name: "in pieces", writes: []string{"a", "b", "\nc", "\n"}, want: []string{"ab", "c"}},
		{name: "without an end", writes: []string{"a\nb"}, want: []string{"a"}},
		{name: "as long as may be", writes: []string{long, "\n"}, want: []string{long}},
		{name: "too long", writes: []string{long + "abc\nd\n"}, want: []string{long, "abc", "d"}},
		{name: "too long without an end", writes: []string{long, "a", "bc", "\n"}, want: []string{long, "abc"}},
		{name: "far too long", writes: []string{long + long + "a\n"}, want: []string{long, long, "a"}},
		{name: "no text", writes: []string{"\xff\x00\n"}, want: []string{"\xff\x00"}},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			book := logbook.New()
			for _, text := range test.writes {
				if n, err := book.Write([]byte(text)); n != len(text) || err != nil {
					t.Errorf("wrote %d of %d bytes: %v", n, len(text), err)
				}
			}
			got, version := book.Since(0)
			if !slices.Equal(got, test.want) {
				t.Errorf("%d lines %.50q, want %d %.50q", len(got), got, len(test.want), test.want)
			}
			if (version == 0) != (len(test.want) == 0) {
				t.Errorf("version %d of %d lines", version, len(got))
			}
		})
	}
}

// The newest lines are kept, as many as a master shows.
func TestLimit(t *testing.T) {
	book := logbook.New()
	const written = 3*logbook.MaxLines + 7
	for i := range written {
		_, _ = fmt.Fprintf(book, "line %d\n", i)
	}
	lines, _ := book.Since(0)
	if len(lines) != logbook.MaxLines {
		t.Fatalf("%d lines, want %d", len(lines), logbook.MaxLines)
	}
	for i, line := range lines {
		if want := fmt.Sprintf("line %d", written-logbook.MaxLines+i); line != want {
			t.Fatalf("line %d is %q, want %q", i, line, want)
		}
	}
}

func TestSince(t *testing.T) {
	book := logbook.New()
	_, _ = book.Write([]byte("a\n"))
	first, version := book.Since(0)
	if again, same := book.Since(version); again != nil || same != version {
		t.Errorf("%q although nothing is newer than version %d (%d)", again, version, same)
	}
	_, _ = book.Write([]byte("b")) // not a line yet
	if again, _ := book.Since(version); again != nil {
		t.Errorf("%q although no line is newer", again)
	}
	_, _ = book.Write([]byte("c\n"))
	all, newer := book.Since(version)
	if !slices.Equal(all, []string{"a", "bc"}) || newer == version {
		t.Errorf("%q of version %d after version %d", all, newer, version)
	}
	first[0] = "changed" // the caller's own
	if all, _ := book.Since(0); all[0] != "a" {
		t.Error("the caller shares the book's lines")
	}
}

// Lines of many goroutines stay whole, and readers see a state that was.
func TestConcurrency(t *testing.T) {
	book := logbook.New()
	const writers, each = 8, 200
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				_, _ = fmt.Fprintf(book, "writer %d line %d\n", w, i)
			}
		})
	}
	done := make(chan struct{})
	reading.Go(func() {
		var version uint64
		for {
			lines, now := book.Since(version)
			if now < version || (lines == nil) != (now == version) || len(lines) > logbook.MaxLines {
				t.Errorf("%d lines of version %d after version %d", len(lines), now, version)
			}
			version = now
			select {
			case <-done:
				return
			default:
			}
		}
	})
	writing.Wait()
	close(done)
	reading.Wait()
	lines, version := book.Since(0)
	if version != writers*each {
		t.Errorf("version %d after %d lines", version, writers*each)
	}
	next := make(map[int]int)
	for _, line := range lines {
		var writer, number int
		if n, err := fmt.Sscanf(line, "writer %d line %d", &writer, &number); n != 2 || err != nil {
			t.Fatalf("line %q is not whole", line)
		}
		if number < next[writer] {
			t.Errorf("line %d of writer %d after line %d", number, writer, next[writer]-1)
		}
		next[writer] = number + 1
	}
}
