package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"upsurge/worker/result"
)

// writeSummary prints the result of a run as tables.
func writeSummary(out io.Writer, r result.Result) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(format string, arguments ...any) { _, _ = fmt.Fprintf(table, format+"\t\n", arguments...) }
	line("method\tname\trequests\tfailures\treq/s\tmin\tmean\tp50\tp90\tp99\tp99.9\tmax\tbytes")
	for _, row := range append(r.Requests, r.Total) {
		p := row.Percentiles
		line("%s\t%s\t%d\t%d\t%.1f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d", row.Method, row.Name, row.Count, row.Failures, row.RPS,
			millis(row.MinMillis), millis(row.MeanMillis), millis(p["50"]), millis(p["90"]), millis(p["99"]), millis(p["99.9"]),
			millis(row.MaxMillis), row.Bytes)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	if len(r.Errors) > 0 {
		_, _ = fmt.Fprintln(out)
		line("failures\tmethod\tname\terror")
		for _, e := range r.Errors {
			line("%d\t%s\t%s\t%s", e.Count, e.Method, e.Name, e.Error)
		}
		if err := table.Flush(); err != nil {
			return fmt.Errorf("writing the summary: %w", err)
		}
	}
	_, err := fmt.Fprintf(out, "\n%s, %d users, %.1f s, CPU %.2f s, memory at most %.1f MiB; times in ms\n",
		r.Class, r.Users, r.DurationSeconds, r.CPUSeconds, float64(r.MaxRSSBytes)/(1<<20))
	return err
}

// millis prints milliseconds with three digits that count.
func millis(value float64) string {
	switch {
	case value == 0:
		return "0"
	case value < 10:
		return strconv.FormatFloat(value, 'f', 3, 64)
	case value < 1000:
		return strconv.FormatFloat(value, 'f', 1, 64)
	default:
		return strconv.FormatFloat(value, 'f', 0, 64)
	}
}
