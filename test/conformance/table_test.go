package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What is written comes back, and is in the table.
func TestOutcomesBecomeTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outcomes")
	ended := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, o := range []Outcome{
		{Check: 1, Locust: "2.12.1", Build: "zmtp", Result: Failed, Seconds: 2, Ended: ended},
		{Check: 1, Locust: "2.12.1", Build: "zmtp", Result: Passed, Seconds: 2, Ended: ended},
		{Check: 2, Locust: "2.12.1", Build: "zmtp", Result: Limited, Note: "as old releases are", Seconds: 12, Ended: ended},
		{Check: 1, Locust: "2.47.0", Build: "goczmq", Result: Failed, Seconds: 1, Ended: ended.Add(time.Minute)},
		{Check: 2, Locust: "2.47.0", Build: "goczmq", Result: Skipped, Note: "no such tool", Seconds: 1, Ended: ended},
	} {
		if err := o.Append(path); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	outcomes, err := ReadOutcomes(file)
	if err != nil || len(outcomes) != 5 {
		t.Fatalf("%d outcomes, %v", len(outcomes), err)
	}
	page := Run{Machine: "a machine", Upsurge: "v1", Outcomes: outcomes}.Markdown()
	for _, want := range []string{
		"| | check | 2.47.0 goczmq | 2.12.1 zmtp | s |",
		"| 1 | " + Checks()[0].Title + " | 🔴 **fail** | ✅ | 2 |",
		"| ⚪ skipped (1) | 🟡 limit (2) | 12 |",
		"1. Check 2: no such tool", "2. Check 2: as old releases are",
		"a machine", "v1", "2026-02-03 04:06 UTC", "| 3 | " + Checks()[2].Title + " | – | – | 0 |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if _, err := ReadOutcomes(strings.NewReader("{}\nnonsense\n")); err == nil {
		t.Error("nonsense was read")
	}
}

func TestChecksAreNumbered(t *testing.T) {
	if checks := Checks(); len(checks) != 28 || checks[0].Number != 1 || checks[27].Number != 28 {
		t.Errorf("%d checks", len(checks))
	}
}
