package conformance

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Run is what the table says of the run as a whole.
type Run struct {
	Machine  string // kernel and cores
	Upsurge  string // version of the worker
	Outcomes []Outcome
}

// column is one master with one build.
type column struct{ locust, build string }

// symbols are the cells of the table.
var symbols = map[Result]string{Passed: "✅", Failed: "🔴 **fail**", Limited: "🟡 limit", Skipped: "⚪ skipped"}

// Markdown renders the table.
func (r Run) Markdown() string {
	columns := r.columns()
	var page strings.Builder
	page.WriteString(`# Conformance

<!-- written by "make conformance"; edits are lost -->

What a Locust worker must do, checked against real Locust masters: one of each
generation, each with both builds of Upsurge (zmtp: static, pure Go; goczmq: on
libczmq).

`)
	page.WriteString(r.about())
	r.table(&page, columns)
	page.WriteString("\n✅ holds · 🟡 holds as far as this Locust or libzmq lets it, see the note · ⚪ could not be run here, see the note · 🔴 **fail** · – not run\n")
	for i, note := range r.notes() {
		fmt.Fprintf(&page, "\n%d. %s", i+1, note)
	}
	return strings.TrimRight(page.String(), "\n") + "\n"
}

// about says when and where.
func (r Run) about() string {
	first, last := time.Time{}, time.Time{}
	counts := map[Result]int{}
	for _, o := range r.Outcomes {
		begun := o.Ended.Add(-time.Duration(o.Seconds * float64(time.Second)))
		if first.IsZero() || begun.Before(first) {
			first = begun
		}
		if o.Ended.After(last) {
			last = o.Ended
		}
		counts[o.Result]++
	}
	return fmt.Sprintf("| | |\n|---|---|\n| ended | %s |\n| took | %s |\n| Upsurge | %s |\n| machine | %s |\n| outcomes | %d pass, %d limit, %d skipped, %d fail |\n\n",
		last.UTC().Format("2006-01-02 15:04 MST"), last.Sub(first).Round(time.Second), r.Upsurge, r.Machine,
		counts[Passed], counts[Limited], counts[Skipped], counts[Failed])
}

// columns are the masters and builds that appear, newest Locust first.
func (r Run) columns() []column {
	var columns []column
	for _, o := range r.Outcomes {
		if c := (column{o.Locust, o.Build}); !slices.Contains(columns, c) {
			columns = append(columns, c)
		}
	}
	slices.SortFunc(columns, func(a, b column) int {
		return cmp.Or(-slices.Compare(versionNumbers(a.locust), versionNumbers(b.locust)), -cmp.Compare(a.build, b.build))
	})
	return columns
}

// versionNumbers splits a dotted version; what is no number counts as 0.
func versionNumbers(version string) []int {
	var numbers []int
	for part := range strings.SplitSeq(version, ".") {
		number, _ := strconv.Atoi(part)
		numbers = append(numbers, number)
	}
	return numbers
}

func (r Run) table(page *strings.Builder, columns []column) {
	page.WriteString("| | check |")
	for _, c := range columns {
		fmt.Fprintf(page, " %s %s |", c.locust, c.build)
	}
	page.WriteString(" s |\n|---:|---|" + strings.Repeat(":-:|", len(columns)) + "---:|\n")
	notes := r.notes()
	for _, check := range Checks() {
		fmt.Fprintf(page, "| %d | %s |", check.Number, check.Title)
		longest := 0.0
		for _, c := range columns {
			cell := "–"
			if o, ok := r.find(check.Number, c); ok {
				cell = symbols[o.Result]
				if i := slices.Index(notes, o.note()); i >= 0 && o.Note != "" {
					cell += fmt.Sprintf(" (%d)", i+1)
				}
				longest = max(longest, o.Seconds)
			}
			page.WriteString(" " + cell + " |")
		}
		fmt.Fprintf(page, " %.0f |\n", longest)
	}
}

// find returns the last outcome of a check: a run may have been repeated.
func (r Run) find(check int, c column) (found Outcome, ok bool) {
	for _, o := range r.Outcomes {
		if o.Check == check && o.Locust == c.locust && o.Build == c.build {
			found, ok = o, true
		}
	}
	return found, ok
}

func (o Outcome) note() string { return fmt.Sprintf("Check %d: %s", o.Check, o.Note) }

// notes are the different notes in the order of the checks.
func (r Run) notes() []string {
	var notes []string
	for _, check := range Checks() {
		for _, c := range r.columns() {
			if o, ok := r.find(check.Number, c); ok && o.Note != "" && !slices.Contains(notes, o.note()) {
				notes = append(notes, o.note())
			}
		}
	}
	return notes
}
