package stats

import (
	"cmp"
	"maps"
	"slices"
)

// totalName is what Locust calls the sum of all rows.
const totalName = "Aggregated"

// Report is a sum of blocks, by method and name. It has only rows with at
// least one sample. The zero Report is empty and ready; it is for one
// goroutine at a time.
type Report struct {
	rows   map[rowKey]*RowStats
	errors map[errorKey]*ErrorStats
}

type errorKey struct {
	row  rowKey
	text string
}

// Add adds everything in a block and keeps nothing of it.
func (r *Report) Add(b *Block) {
	for _, number := range b.touched {
		key, counts := b.rowKeys[number], &b.rows[number]
		r.row(key).addBlock(counts)
		for i, f := range counts.failures {
			if f.count > 0 {
				r.addError(errorKey{row: key, text: b.failureTexts[i]}, f)
			}
		}
	}
}

// Merge adds everything in another report and keeps nothing of it.
func (r *Report) Merge(other *Report) {
	for key, row := range other.rows {
		r.row(key).merge(row)
	}
	for key, e := range other.errors {
		r.addError(key, failureCounts{count: e.Count, first: e.First, last: e.Last})
	}
}

func (r *Report) row(key rowKey) *RowStats {
	if row, ok := r.rows[key]; ok {
		return row
	}
	if r.rows == nil {
		r.rows = make(map[rowKey]*RowStats)
	}
	row := &RowStats{Method: key.method, Name: key.name}
	r.rows[key] = row
	return row
}

func (r *Report) addError(key errorKey, seen failureCounts) {
	if e, ok := r.errors[key]; ok {
		e.Count += seen.count
		e.First = min(e.First, seen.first)
		e.Last = max(e.Last, seen.last)
		return
	}
	if r.errors == nil {
		r.errors = make(map[errorKey]*ErrorStats)
	}
	r.errors[key] = &ErrorStats{
		Method: key.row.method, Name: key.row.name, Text: key.text,
		Count: seen.count, First: seen.first, Last: seen.last,
	}
}

// Rows gives the rows by name, then by method. They are the report's own: a
// later Add or Merge adds to them, Reset lets go of them.
func (r *Report) Rows() []*RowStats {
	return slices.SortedFunc(maps.Values(r.rows), func(a, b *RowStats) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Method, b.Method))
	})
}

// Total is the sum of all rows, named as Locust names it. Its cost grows with
// the number of rows; it is the caller's own.
func (r *Report) Total() *RowStats {
	total := &RowStats{Name: totalName}
	for _, row := range r.rows {
		total.merge(row)
	}
	return total
}

// Errors gives the failures by name, method and text.
func (r *Report) Errors() []ErrorStats {
	list := make([]ErrorStats, 0, len(r.errors))
	for _, e := range r.errors {
		list = append(list, *e)
	}
	slices.SortFunc(list, func(a, b ErrorStats) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Text, b.Text))
	})
	return list
}

// Empty tells whether no sample is in the report.
func (r *Report) Empty() bool { return len(r.rows) == 0 }

// Reset empties the report. Rows taken from it before keep their values.
func (r *Report) Reset() {
	r.rows = nil
	r.errors = nil
}
