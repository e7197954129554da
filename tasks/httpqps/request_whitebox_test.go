package httpqps

import "testing"

// A master's form has fields of one line only.
func TestHeaderLinesInAForm(t *testing.T) {
	fields, err := parseHeaders(`A: 1\nB: 2`)
	if err != nil || len(fields) != 2 || fields[1] != (field{"B", "2"}) {
		t.Errorf("got %v, %v", fields, err)
	}
}
