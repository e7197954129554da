package tcp_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"upsurge/tasks/internal/tcp"
	"upsurge/worker/engine"
	"upsurge/worker/user"
)

func TestTarget(t *testing.T) {
	cases := []struct {
		name, own, test, sources string
		want                     string // address
		fault                    string
	}{
		{name: "address", test: "127.0.0.1:9000", want: "127.0.0.1:9000"},
		{name: "spaces", test: "  127.0.0.1:9000 ", want: "127.0.0.1:9000"},
		{name: "own goes first", own: "127.0.0.2:1", test: "127.0.0.1:9000", want: "127.0.0.2:1"},
		{name: "IPv6", test: "[::1]:9000", want: "[::1]:9000"},
		{name: "scheme", test: "tcp://127.0.0.1:9000", want: "127.0.0.1:9000"},
		{name: "path", test: "http://127.0.0.1:9000/a/b?c", want: "127.0.0.1:9000"},
		{name: "user", test: "http://me:secret@127.0.0.1:9000", want: "127.0.0.1:9000"},
		{name: "http has a port", test: "http://127.0.0.1", want: "127.0.0.1:80"},
		{name: "https has a port", test: "https://127.0.0.1/", want: "127.0.0.1:443"},
		{name: "http over IPv6", test: "http://[::1]", want: "[::1]:80"},
		{name: "service", test: "127.0.0.1:http", want: "127.0.0.1:http"},
		{name: "sources", test: "127.0.0.1:9000", sources: " 127.0.0.2 ,,127.0.0.3,", want: "127.0.0.1:9000"},
		{name: "nothing", fault: "unusable host: none is set"},
		{name: "blank", test: "  ", fault: "--host"},
		{name: "no port", test: "127.0.0.1", fault: "want host:port"},
		{name: "scheme without a port of its own", test: "tcp://127.0.0.1", fault: "want host:port"},
		{name: "no name", test: ":9000", fault: "no name or address before the port"},
		{name: "scheme alone", test: "http://", fault: "no name or address before the port"},
		{name: "bare IPv6", test: "::1", fault: "want host:port"},
		{name: "port zero", test: "127.0.0.1:0", fault: "port is 0"},
		{name: "port too large", test: "127.0.0.1:65536", fault: "65536"},
		{name: "port missing", test: "127.0.0.1:", fault: "127.0.0.1:"},
		{name: "not a URL", test: "http://[::1", fault: "unusable host"},
		{name: "source with a port", test: "127.0.0.1:9000", sources: "127.0.0.2:80", fault: `--tcp-source-ips: "127.0.0.2:80" is not an IP address`},
		{name: "source by name", test: "127.0.0.1:9000", sources: "127.0.0.2,eth0", fault: `"eth0" is not an IP address`},
		{name: "source of the other family", test: "127.0.0.1:9000", sources: "::1", fault: "IPv6"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			options := tcp.Options{Host: c.own, ConnectTimeout: time.Second, SourceIPs: c.sources}
			target, err := options.Target(t.Context(), user.Test{Host: c.test})
			switch {
			case c.fault != "":
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("error %v, want one with %q", err, c.fault)
				}
			case err != nil:
				t.Error(err)
			case target.String() != c.want:
				t.Errorf("target %v, want %s", target, c.want)
			}
		})
	}
}

func TestUnusableHostsAreErrHost(t *testing.T) {
	for _, host := range []string{"", "127.0.0.1", ":1", "http://"} {
		if _, err := (&tcp.Options{}).Target(t.Context(), user.Test{Host: host}); !errors.Is(err, tcp.ErrHost) {
			t.Errorf("host %q: error %v, want ErrHost", host, err)
		}
	}
}

// The connect timeout and the sources are one option of all classes; the host
// is each class's own.
func TestDeclaredNames(t *testing.T) {
	var options tcp.Options
	var set user.OptionSet
	options.Declare(&set, "tcp-hold")
	var names []string
	for _, option := range set.All() {
		names = append(names, option.Name)
		if option.Help == "" {
			t.Errorf("--%s has no help", option.Name)
		}
	}
	if want := []string{"tcp-hold-host", "tcp-connect-timeout", "tcp-source-ips", "tcp-connects-in-flight"}; !slices.Equal(names, want) {
		t.Errorf("options %v, want %v", names, want)
	}
	if options.ConnectTimeout != 10*time.Second || options.Host != "" || options.SourceIPs != "" {
		t.Errorf("defaults %+v", options)
	}
}

func TestQuote(t *testing.T) {
	letters := strings.Repeat("x", 100)
	cases := []struct{ name, data, want string }{
		{name: "empty", data: "", want: `""`},
		{name: "text", data: "no", want: `"no"`},
		{name: "quotes and ends of lines", data: "a\"b\r\n", want: `"a\"b\r\n"`},
		{name: "binary", data: "\x00\x7f\xff", want: `"\x00\x7f\xff"`},
		{name: "all of 64", data: letters[:64], want: `"` + letters[:64] + `"`},
		{name: "64 of more", data: letters[:65], want: `"` + letters[:64] + `"...`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := tcp.Quote([]byte(c.data)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// tally is a recorder of failures.
type tally struct {
	user.Recorder
	texts  []string
	failed []string
}

func (r *tally) Failure(text string) user.Failure {
	if i := slices.Index(r.texts, text); i >= 0 {
		return user.Failure(i)
	}
	r.texts = append(r.texts, text)
	return user.Failure(len(r.texts) - 1)
}

func (r *tally) Fail(_ user.Row, _, _ time.Duration, _ int64, failure user.Failure) {
	r.failed = append(r.failed, r.texts[failure])
}

func TestFailures(t *testing.T) {
	r := &tally{}
	var advised []engine.Failure
	failures := tcp.NewFailures(user.Scope{Recorder: r, Advise: func(f engine.Failure) { advised = append(advised, f) }})
	for _, err := range []error{
		syscall.ECONNREFUSED, syscall.ECONNREFUSED, io.EOF, syscall.EMFILE, engine.ErrTimeout, context.DeadlineExceeded, io.EOF, errors.New("odd"),
	} {
		failures.Count(0, 0, 0, err)
	}
	failures.CountWrongData(0, 0, 0, 2, []byte("no"))
	want := []string{"refused", "refused", "server closed", "no descriptors", "timeout", "timeout", "server closed", "other", `wrong data: "no"`}
	if !slices.Equal(r.failed, want) {
		t.Errorf("counted %q, want %q", r.failed, want)
	}
	once := []engine.Failure{engine.Refused, engine.ServerClosed, engine.NoDescriptors, engine.Timeout, engine.Other}
	if !slices.Equal(advised, once) {
		t.Errorf("advice for %v, want once for each: %v", advised, once)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	r := &tally{failed: make([]string, 0, 2000)}
	failures := tcp.NewFailures(user.Scope{Recorder: r, Advise: func(engine.Failure) {}})
	if allocations := testing.AllocsPerRun(1000, func() { failures.Count(0, 0, 0, syscall.ECONNRESET) }); allocations != 0 {
		t.Errorf("%v allocations for each failure, want 0", allocations)
	}
}
