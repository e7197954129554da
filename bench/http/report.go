package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// report is the account of a whole run, as it is written to the file.
type report struct {
	Schema   string  `json:"schema"`
	System   string  `json:"system"`
	Cores    int     `json:"cores"`
	Duration float64 `json:"duration_s"`
	Rounds   int     `json:"rounds"`
	// Load is the system's load average (1, 5, 15 minutes) before and after:
	// what is far above 2 says that others used the machine.
	LoadBefore string `json:"load_before"`
	LoadAfter  string `json:"load_after"`
	Lines      []line `json:"lines"`
}

// line is one generator with one number of connections.
type line struct {
	Connections int         `json:"connections"`
	Generator   string      `json:"generator"`
	Median      measurement `json:"median"`
	// Medians of the ratios to what the first generator had in the same round:
	// what slows the machine for a while slows both.
	CPURatio  float64 `json:"cpu_ratio"`
	RateRatio float64 `json:"rate_ratio"`
	// Spread is the difference of the largest and the smallest CPU time, as a
	// part of the median: how far to trust it.
	Spread float64       `json:"spread"`
	Runs   []measurement `json:"runs"`
}

func newReport(s settings) *report {
	return &report{
		Schema: "upsurge/bench-http/v1", System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(),
		Duration: s.duration.Seconds(), Rounds: s.rounds, LoadBefore: loadAverage(),
	}
}

func (r *report) add(generator string, connections int, m measurement) {
	for i := range r.Lines {
		if l := &r.Lines[i]; l.Generator == generator && l.Connections == connections {
			l.Runs = append(l.Runs, m)
			return
		}
	}
	r.Lines = append(r.Lines, line{Connections: connections, Generator: generator, Runs: []measurement{m}})
}

// finish computes what follows from the runs.
func (r *report) finish() {
	r.LoadAfter = loadAverage()
	base := make(map[int][]measurement)
	for i := range r.Lines {
		l := &r.Lines[i]
		cpu := sorted(l.Runs, func(_ int, m measurement) float64 { return m.CPUMicros })
		l.Median = measurement{
			CPUMicros: middle(cpu),
			Rate:      middle(sorted(l.Runs, func(_ int, m measurement) float64 { return m.Rate })),
			Requests:  int64(middle(sorted(l.Runs, func(_ int, m measurement) float64 { return float64(m.Requests) }))),
		}
		l.Spread = (cpu[len(cpu)-1] - cpu[0]) / l.Median.CPUMicros
		if base[l.Connections] == nil {
			base[l.Connections] = l.Runs
		}
		first := base[l.Connections]
		l.CPURatio = middle(sorted(l.Runs, func(round int, m measurement) float64 { return m.CPUMicros / first[round].CPUMicros }))
		l.RateRatio = middle(sorted(l.Runs, func(round int, m measurement) float64 { return m.Rate / first[round].Rate }))
	}
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%-12s %-10s %12s %8s %8s %12s %8s\n", "connections", "generator", "CPU µs/req", "ratio", "spread", "requests/s", "ratio")
	for _, l := range r.Lines {
		fmt.Fprintf(w, "%-12d %-10s %12.2f %8.2f %7.0f%% %12.0f %8.2f\n",
			l.Connections, l.Generator, l.Median.CPUMicros, l.CPURatio, 100*l.Spread, l.Median.Rate, l.RateRatio)
	}
	fmt.Fprintf(w, "load average before %s, after %s\n", r.LoadBefore, r.LoadAfter)
}

func (r *report) save(name string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644) //nolint:gosec // a result for everyone
}

func sorted(runs []measurement, value func(round int, m measurement) float64) []float64 {
	values := make([]float64, 0, len(runs))
	for round, m := range runs {
		values = append(values, value(round, m))
	}
	slices.Sort(values)
	return values
}

// middle is the median of sorted values, the lower of two.
func middle(values []float64) float64 { return values[(len(values)-1)/2] }

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
