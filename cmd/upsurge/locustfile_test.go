package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"upsurge/worker/user"
)

const shippedLocustfile = "../../scripts/locustfile.py"

func TestShippedLocustfileIsOfTheseClasses(t *testing.T) {
	want, err := locustfile(classes())
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(shippedLocustfile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) == want {
		return
	}
	t.Errorf("scripts/locustfile.py is not what the classes of this binary give; "+
		"print it anew: go run ./cmd/upsurge locustfile > scripts/locustfile.py\nfirst difference: %s", firstDifference(string(got), want))
}

func firstDifference(got, want string) string {
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			return "have " + gotLines[i] + ", want " + wantLines[i]
		}
	}
	return "one of them is longer"
}

// everyKind declares an option of each kind, with texts that Python or
// argparse would misread if they were not escaped.
type everyKind struct {
	user.EventDefinition

	text, choice, secret string
	number               int
	ratio, whole         float64
	span                 time.Duration
	yes, no              bool
}

func (d *everyKind) Options(set *user.OptionSet) {
	set.String(&d.text, "every-text", `a "b" \ ü %s`, `100% of "it" \ %s`)
	set.String(&d.choice, "every-choice", "second", "one of two").Choices = []string{"first", "second"}
	set.String(&d.secret, "every-secret", "hush", "a password").Secret = true
	set.Int(&d.number, "every-number", 7, 0, 100, "a number")
	set.Float(&d.ratio, "every-ratio", 0.5, 0, 100, "a ratio")
	set.Float(&d.whole, "every-whole", 2, 0, 100, "a ratio that looks whole")
	set.Duration(&d.span, "every-span", 90*time.Second, 0, time.Hour, "a time")
	set.Bool(&d.yes, "every-yes", true, "on at first")
	set.Bool(&d.no, "every-no", false, "off at first")
}

func everyKindClass() user.Class {
	return user.Class{
		Name: "EveryUser", Help: `says "100%" and \`,
		New: func() user.Definition { return &everyKind{} },
	}
}

func TestLocustfileRefusesContradictions(t *testing.T) {
	other := everyKindClass()
	other.New = func() user.Definition { return &everyKindOtherwise{} }
	_, err := locustfile([]user.Class{everyKindClass(), other})
	if err == nil || !strings.Contains(err.Error(), "--every-number") {
		t.Errorf("one option with two defaults: error %v, want one that names it", err)
	}
}

type everyKindOtherwise struct{ everyKind }

func (d *everyKindOtherwise) Options(set *user.OptionSet) {
	set.Int(&d.number, "every-number", 8, 0, 100, "the same with another default")
}
