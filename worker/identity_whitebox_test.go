package worker

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// Locust groups workers by what stands before the first "_", and ZeroMQ takes
// ids of 1 to 255 bytes.
func TestIdentity(t *testing.T) {
	cases := []struct{ name, host, want string }{
		{name: "plain", host: "load-1.example.net", want: "load-1.example.net"},
		{name: "underscores", host: "load_host_1", want: "load-host-1"},
		{name: "nameless", host: "", want: "worker"},
		{name: "not text", host: "\xff\xfe", want: "worker"},
		{name: "partly text", host: "a\xffb", want: "ab"},
		{name: "long", host: strings.Repeat("x", 300), want: strings.Repeat("x", 200)},
		{name: "long, cut within a letter", host: "x" + strings.Repeat("ü", 150), want: "x" + strings.Repeat("ü", 99)},
	}
	form := regexp.MustCompile(`^[0-9a-f]{32}$`)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			id := identityOn(c.host)
			host, rest, _ := strings.Cut(id, "_")
			if host != c.want || !form.MatchString(rest) {
				t.Errorf("identity %q, want %q, _ and 32 hex digits", id, c.want)
			}
			if len(id) > 255 || !utf8.ValidString(id) {
				t.Errorf("identity %q of %d bytes is no ZeroMQ routing id of a master's", id, len(id))
			}
		})
	}
}

func TestIdentitiesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		seen[newIdentity()] = true
	}
	if len(seen) != 1000 {
		t.Errorf("1000 identities are %d different ones", len(seen))
	}
}

func TestClassNames(t *testing.T) {
	if got := classNames(map[string]int{"B": 1, "A": 2, "C": 0}); got != "A,B" {
		t.Errorf("got %q, want the classes with users in order: A,B", got)
	}
}
