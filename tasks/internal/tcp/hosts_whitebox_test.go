package tcp

import (
	"errors"
	"strings"
	"testing"
)

func TestHosts(t *testing.T) {
	cases := []struct {
		name, text string
		want       string // joined by spaces
		count      int    // instead of want
		fault      string
	}{
		{name: "one", text: "10.0.0.1:80", want: "10.0.0.1:80"},
		{name: "list", text: "10.0.0.1:80, b.example:81 ,", want: "10.0.0.1:80 b.example:81"},
		{name: "ports", text: "10.0.0.1:80-82", want: "10.0.0.1:80 10.0.0.1:81 10.0.0.1:82"},
		{name: "ports of a name", text: "a-1-2.example:80-81", want: "a-1-2.example:80 a-1-2.example:81"},
		{name: "addresses", text: "10.0.0.1-2:80", want: "10.0.0.1:80 10.0.0.2:80"},
		{name: "addresses in full", text: "10.0.0.255-10.0.1.0:80", want: "10.0.0.255:80 10.0.1.0:80"},
		{name: "addresses and ports", text: "10.0.0.1-2:80-81", want: "10.0.0.1:80 10.0.0.2:80 10.0.0.1:81 10.0.0.2:81"},
		{name: "addresses of IPv6", text: "[fd00::1-fd00::2]:80", want: "[fd00::1]:80 [fd00::2]:80"},
		{name: "service", text: "10.0.0.1:iscsi-target", want: "10.0.0.1:iscsi-target"},
		{name: "scheme", text: "tcp://10.0.0.1-2:80-81/path", count: 4},
		{name: "name and password", text: "http://me:se-cret@10.0.0.1", want: "10.0.0.1:80"},
		{name: "most", text: "127.0.0.1-64:1000-1255", count: 16384},
		{name: "nothing", fault: "none is set"},
		{name: "only commas", text: ",,", fault: "no target between the commas"},
		{name: "falling ports", text: "10.0.0.1:82-80", fault: "rising range"},
		{name: "port zero", text: "10.0.0.1:0-1", fault: "rising range"},
		{name: "ports without an end", text: "10.0.0.1:80-", fault: "rising range"},
		{name: "falling addresses", text: "10.0.0.2-1:80", fault: "does not rise"},
		{name: "too many", text: "10.0.0.1-255:1-65535", fault: "more than 16384 targets"},
		{name: "too many in a list", text: "10.0.0.1:1-16384,10.0.0.2:1", fault: "more than 16384 targets"},
		{name: "second without a port", text: "10.0.0.1:80,10.0.0.2", fault: "want host:port"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := hosts(c.text)
			switch {
			case c.fault != "":
				if !errors.Is(err, ErrHost) || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("error %v, want ErrHost with %q", err, c.fault)
				}
			case err != nil:
				t.Error(err)
			case c.count > 0 && len(got) != c.count:
				t.Errorf("%d targets, want %d", len(got), c.count)
			case c.count == 0 && strings.Join(got, " ") != c.want:
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

func FuzzHosts(f *testing.F) {
	for _, seed := range []string{"10.0.0.1:80", "10.0.0.1-4:80-83,b:1", "http://a:b@c-d:1-2/e?f", "[::1-::3]:5", "a:1-", "://", "-:1", "1-2:3-4"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := hosts(text)
		switch {
		case err != nil && !errors.Is(err, ErrHost):
			t.Errorf("%q: error %v is no ErrHost", text, err)
		case err == nil && (len(list) == 0 || len(list) > maxTargets):
			t.Errorf("%q: %d targets", text, len(list))
		}
	})
}
