package main

import (
	"encoding/json"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"upsurge/test/locust"
	"upsurge/worker/user"
)

// eachLocust runs the test with each Locust that the environment names. These
// tests are about Python's side, so they need one.
func eachLocust(t *testing.T, test func(t *testing.T, executable string)) {
	t.Helper()
	if os.Getenv("UPSURGE_LOCUST") == "" {
		t.Skip("UPSURGE_LOCUST names no Locust: set it to the output of `scripts/locust-env all`")
	}
	locust.Each(t, test)
}

func TestLocustListsTheClasses(t *testing.T) {
	eachLocust(t, func(t *testing.T, executable string) {
		output, err := exec.CommandContext(t.Context(), executable, "-f", shippedLocustfile, "--list").CombinedOutput()
		if err != nil {
			t.Fatalf("locust --list: %v\n%s", err, output)
		}
		listed := map[string]bool{}
		for line := range strings.Lines(string(output)) {
			listed[strings.TrimSpace(line)] = true
		}
		for _, class := range classes() {
			if !listed[class.Name] {
				t.Errorf("locust --list does not show %s:\n%s", class.Name, output)
			}
		}
		if listed["Dummy"] {
			t.Error("locust --list shows the abstract base class")
		}
	})
}

func TestLocustHelpExplainsTheOptions(t *testing.T) {
	eachLocust(t, func(t *testing.T, executable string) {
		text, err := locustfile([]user.Class{everyKindClass()})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "classes.py")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		output, err := exec.CommandContext(t.Context(), executable, "-f", file, "--help").CombinedOutput()
		if err != nil {
			t.Fatalf("locust --help: %v\n%s", err, output)
		}
		if !strings.Contains(string(output), "--every-text") {
			t.Skip("this release prints its help before it loads a locustfile")
		}
		if !strings.Contains(string(output), `100% of "it" \ %s`) {
			t.Errorf("locust --help lacks an option's text:\n%s", output)
		}
	})
}

// argumentsPage is a locustfile that adds a page with the arguments as the
// master sends them to its workers.
const argumentsPage = `
from flask import jsonify
from locust import events

@events.init.add_listener
def add_page(environment, web_ui, **_):
    web_ui.app.add_url_rule("/arguments", "arguments", lambda: jsonify(vars(environment.parsed_options)))
`

// startMaster starts a master with web pages and the locustfile's text.
func startMaster(t *testing.T, executable, text string) *locust.Master {
	t.Helper()
	file := filepath.Join(t.TempDir(), "classes.py")
	if err := os.WriteFile(file, []byte(text+argumentsPage), 0o600); err != nil {
		t.Fatal(err)
	}
	return locust.Start(t, locust.Config{Executable: executable, Locustfile: file, Web: true})
}

func TestWebFormShowsEveryOption(t *testing.T) {
	cases := []struct {
		name    string
		classes []user.Class
	}{
		{name: "this binary's classes", classes: classes()},
		{name: "every kind of option", classes: []user.Class{everyKindClass()}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			eachLocust(t, func(t *testing.T, executable string) {
				text, err := locustfile(tc.classes)
				if err != nil {
					t.Fatal(err)
				}
				options, err := allOptions(tc.classes)
				if err != nil {
					t.Fatal(err)
				}
				fields := formFields(t, startMaster(t, executable, text))
				for _, option := range options {
					if got, ok := fields[option.Destination()]; !ok || !sameValue(option, got) {
						t.Errorf("the form's field %s is %q (there: %t), want %q", option.Destination(), got, ok, option.Default)
					}
				}
			})
		})
	}
}

// sameValue compares what a form shows with an option's default, which may be
// written differently: Python writes the float 2 as 2.0.
func sameValue(option *user.Option, shown string) bool {
	want := option.Default
	err := option.Set(shown)
	return err == nil && option.Text() == want
}

var inputPattern = regexp.MustCompile(`(?s)<input type="text" name="([^"]*)"[^>]* value="([^"]*)"`)

// formFields reads the custom arguments from the page with the form: newer
// releases have them in a script, older ones in HTML.
func formFields(t *testing.T, master *locust.Master) map[string]string {
	t.Helper()
	_, page := master.Get("/")
	fields := map[string]string{}
	_, script, found := strings.Cut(string(page), "templateArgs = ")
	if !found {
		for _, match := range inputPattern.FindAllStringSubmatch(string(page), -1) {
			fields[match[1]] = html.UnescapeString(match[2])
		}
		return fields
	}
	var arguments struct {
		Options map[string]struct {
			Default json.RawMessage `json:"default_value"`
			Secret  bool            `json:"is_secret"`
		} `json:"extra_options"`
	}
	if err := json.NewDecoder(strings.NewReader(script)).Decode(&arguments); err != nil {
		t.Fatalf("the page's arguments: %v\n%s", err, script)
	}
	for name, option := range arguments.Options {
		var text string
		if json.Unmarshal(option.Default, &text) != nil {
			text = string(option.Default)
		}
		if fields[name] = text; option.Secret != strings.HasSuffix(name, "_secret") {
			t.Errorf("the form's field %s is secret: %t", name, option.Secret)
		}
	}
	return fields
}

func TestEditedFormReachesTheOptions(t *testing.T) {
	edits := map[string]string{ // destination: what is typed
		"every_text": `x "y"`, "every_choice": "first", "every_secret": "s", "every_number": "42",
		"every_ratio": "0.25", "every_whole": "1.5", "every_span": "1m", "every_yes": "false", "every_no": "true",
	}
	eachLocust(t, func(t *testing.T, executable string) {
		text, err := locustfile([]user.Class{everyKindClass()})
		if err != nil {
			t.Fatal(err)
		}
		master := startMaster(t, executable, text)
		master.Swarm(1, 1, edits)
		_, body := master.Get("/arguments")
		var arguments map[string]any
		if err := json.Unmarshal(body, &arguments); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		set := &user.OptionSet{}
		everyKindClass().New().Options(set)
		if err := set.ReadArguments(arguments); err != nil {
			t.Fatal(err)
		}
		for _, option := range set.All() {
			if want := edits[option.Destination()]; option.Text() != want {
				t.Errorf("--%s is %q after %q was typed", option.Name, option.Text(), want)
			}
		}
	})
}
