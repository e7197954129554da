package user_test

import (
	"strings"
	"testing"
	"time"

	"upsurge/worker/user"
)

type settings struct {
	text  string
	yes   bool
	count int
	ratio float64
	wait  time.Duration
}

func declared(s *settings) *user.OptionSet {
	set := &user.OptionSet{}
	set.String(&s.text, "x-text", "ok", "a text")
	set.Bool(&s.yes, "x-yes", true, "a switch")
	set.Int(&s.count, "x-count", 3, 1, 10, "a count")
	set.Float(&s.ratio, "x-ratio", 0.5, 0, 1, "a ratio")
	set.Duration(&s.wait, "x-wait", 100*time.Millisecond, 0, time.Hour, "a wait")
	return set
}

func TestDeclaringSetsDefaults(t *testing.T) {
	var s settings
	set := declared(&s)
	want := settings{"ok", true, 3, 0.5, 100 * time.Millisecond}
	if s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
	for _, o := range set.All() {
		if o.Default != o.Text() {
			t.Errorf("%s: default %q, text %q", o.Name, o.Default, o.Text())
		}
		if err := o.Set(o.Default); err != nil {
			t.Errorf("a default must be settable: %v", err)
		}
	}
}

func TestReadArguments(t *testing.T) {
	base := settings{"ok", true, 3, 0.5, 100 * time.Millisecond}
	cases := []struct {
		name      string
		arguments map[string]any
		change    func(*settings)
		fault     string
	}{
		{name: "nothing", arguments: nil},
		{name: "others' arguments", arguments: map[string]any{"users": int64(3), "web_auth": "a:b"}},
		{name: "text", arguments: map[string]any{"x_text": "hello"}, change: func(s *settings) { s.text = "hello" }},
		{name: "empty text is a value", arguments: map[string]any{"x_text": ""}, change: func(s *settings) { s.text = "" }},
		{name: "nil is the default", arguments: map[string]any{"x_text": nil, "x_count": nil}},
		{name: "a cleared number is the default", arguments: map[string]any{"x_count": ""}},
		{name: "bool", arguments: map[string]any{"x_yes": false}, change: func(s *settings) { s.yes = false }},
		{name: "bool as text", arguments: map[string]any{"x_yes": "false"}, change: func(s *settings) { s.yes = false }},
		{name: "int", arguments: map[string]any{"x_count": int64(7)}, change: func(s *settings) { s.count = 7 }},
		{name: "int as float", arguments: map[string]any{"x_count": 7.0}, change: func(s *settings) { s.count = 7 }},
		{name: "float from int", arguments: map[string]any{"x_ratio": int64(1)}, change: func(s *settings) { s.ratio = 1 }},
		{name: "duration", arguments: map[string]any{"x_wait": "1m30s"}, change: func(s *settings) { s.wait = 90 * time.Second }},
		{name: "seconds", arguments: map[string]any{"x_wait": 0.25}, change: func(s *settings) { s.wait = 250 * time.Millisecond }},
		{name: "list", arguments: map[string]any{"x_text": []any{"a: b", "c: d"}}, change: func(s *settings) { s.text = "a: b\nc: d" }},
		{name: "too large", arguments: map[string]any{"x_count": int64(11)}, fault: "--x-count=11: want a value from 1 to 10"},
		{name: "not a number", arguments: map[string]any{"x_ratio": "NaN"}, fault: "--x-ratio=NaN: want a number"},
		{name: "not a time", arguments: map[string]any{"x_wait": "soon"}, fault: "--x-wait=soon: want a time such as"},
		{name: "every fault", arguments: map[string]any{"x_wait": "soon", "x_yes": "maybe"}, fault: "want true or false"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got settings
			err := declared(&got).ReadArguments(c.arguments)
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Fatalf("error %v, want one with %q", err, c.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := base
			if c.change != nil {
				c.change(&want)
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestChoicesAndSecrets(t *testing.T) {
	var mode, password string
	set := &user.OptionSet{}
	set.String(&mode, "mode", "a", "").Choices = []string{"a", "b"}
	secret := set.String(&password, "password", "", "")
	secret.Secret = true
	secret.Choices = []string{"never"}
	if err := set.Lookup("mode").Set("c"); err == nil || !strings.Contains(err.Error(), "one of a, b") {
		t.Errorf("choice: %v", err)
	}
	if err := secret.Set("hunter2"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret must not reach an error: %v", err)
	}
	if set.Lookup("none") != nil {
		t.Error("found an option that was not declared")
	}
}

func TestFindNamesWhatThereIs(t *testing.T) {
	classes := []user.Class{{Name: "A"}, {Name: "B"}}
	if c, err := user.Find(classes, "B"); err != nil || c.Name != "B" {
		t.Errorf("got %v, %v", c, err)
	}
	if _, err := user.Find(classes, "C"); err == nil || !strings.Contains(err.Error(), `"C"`) || !strings.Contains(err.Error(), "[A B]") {
		t.Errorf("got %v", err)
	}
}
