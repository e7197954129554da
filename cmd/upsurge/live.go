package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"upsurge/worker/solo"
)

const (
	// plainInterval is Locust's own between two lines of statistics.
	plainInterval    = 2 * time.Second
	terminalInterval = 500 * time.Millisecond
)

// liveView shows how a run goes: one line that is drawn anew on a terminal, a
// line every 2 s anywhere else.
type liveView struct {
	out      io.Writer
	terminal bool
	quiet    bool
	drawn    bool
}

func newLiveView(out *os.File, quiet bool) *liveView {
	return &liveView{out: out, quiet: quiet, terminal: term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb"}
}

func (v *liveView) interval() time.Duration {
	if v.terminal {
		return terminalInterval
	}
	return plainInterval
}

// show draws the progress. What cannot be written is let go: the run matters
// more.
func (v *liveView) show(p solo.Progress) {
	if v.quiet || p.Last {
		return
	}
	line := progressLine(p)
	if v.terminal {
		_, _ = fmt.Fprintf(v.out, "\r\x1b[K%s", line)
		v.drawn = true
		return
	}
	_, _ = fmt.Fprintln(v.out, line)
}

// close leaves the terminal on a line of its own.
func (v *liveView) close() {
	if v.drawn {
		_, _ = fmt.Fprintln(v.out)
	}
}

func progressLine(p solo.Progress) string {
	state := ""
	if p.Stopping {
		state = " stopping"
	}
	line := fmt.Sprintf("%6.1fs%s  users %d/%d  requests %d  failures %d  %.1f/s",
		p.Elapsed.Seconds(), state, p.Users, p.Wanted, p.Total.Count, p.Total.Failures, p.Interval.RPS)
	if p.Interval.Count > 0 {
		line += fmt.Sprintf("  p50 %s  p99 %s", millis(p.Interval.Percentiles["50"]), millis(p.Interval.Percentiles["99"]))
	}
	return line
}
