package httpqps_test

import (
	"io"
	"log" //nolint:depguard // what httptest.Server takes
	"os"
	"path/filepath"
	"strings"
	"testing"

	"upsurge/tasks/httpqps"
	"upsurge/tasks/internal/stage"
	"upsurge/worker/user"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func TestPrepareFindsFaults(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	const host = "http://127.0.0.1:1"
	cases := []struct {
		name  string
		host  string
		set   stage.Options
		fault string
	}{
		{name: "fine", host: host},
		{name: "own host", set: stage.Options{"http-host": host}},
		{name: "own host wins", host: "ftp://x", set: stage.Options{"http-host": host}},
		{name: "no host", fault: "no target: set the test's host"},
		{name: "scheme", host: "ftp://127.0.0.1", fault: "want the scheme http or https"},
		{name: "port", host: "http://127.0.0.1:99999", fault: "want a port from 1 to 65535"},
		{name: "waits", host: host, set: stage.Options{"http-wait-min": "2s", "http-wait-max": "1s"}, fault: "--http-wait-min=2s is more than --http-wait-max=1s"},
		{name: "status", host: host, set: stage.Options{"http-expect-status": "200,ok"}, fault: `"ok" is neither a status code`},
		{name: "method", host: host, set: stage.Options{"http-method": "GET /"}, fault: "--http-method="},
		{name: "tunnel", host: host, set: stage.Options{"http-method": "CONNECT"}, fault: "tunnels are not supported"},
		{name: "path without slash", host: host, set: stage.Options{"http-path": "x"}, fault: "starts with /"},
		{name: "path with a line end", host: host, set: stage.Options{"http-path": "/ HTTP/1.1\r\nX: y"}, fault: "write it as %20"},
		{name: "header without colon", host: host, set: stage.Options{"http-header": "nonsense"}, fault: `want "Name: value"`},
		{name: "header with a bad name", host: host, set: stage.Options{"http-header": "a b: c"}, fault: `want "Name: value"`},
		{name: "header with a control", host: host, set: stage.Options{"http-header": "a: b\x00c"}, fault: "control character"},
		{name: "header of framing", host: host, set: stage.Options{"http-header": "content-length: 5"}, fault: "follows from the other options"},
		{name: "authority file missing", host: "https://127.0.0.1", set: stage.Options{"http-ca-file": empty + "x"}, fault: "--http-ca-file: "},
		{name: "authority file without certificate", host: "https://127.0.0.1", set: stage.Options{"http-ca-file": empty}, fault: "no certificate in it"},
		{name: "all at once", host: host, set: stage.Options{"http-path": "x", "http-expect-status": "x"}, fault: "http-path"},
		{name: "unknown name", host: "http://nothing.invalid", fault: `look up host "nothing.invalid"`},
		{name: "unknown name, fasthttp", host: "http://nothing.invalid", set: stage.Options{"http-client": "fasthttp"}, fault: `the target's name "nothing.invalid" has no address`},
		{name: "client", host: host, set: stage.Options{"http-client": "curl"}, fault: "want one of auto, engine, fasthttp"},
		{name: "engine and https", host: "https://127.0.0.1:1", set: stage.Options{"http-client": "engine"}, fault: "--http-client=engine does not speak https"},
		{name: "engine and a large request", host: host, set: stage.Options{"http-client": "engine", "http-payload-size": "1048576"}, fault: "sends requests of at most 1048576 bytes, this one has 10"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := stage.Define(t, httpqps.Class(), c.host, c.set)
			if c.fault == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("error %v, want one with %q", err, c.fault)
			}
		})
	}
}

func TestFaultsKeepThePassword(t *testing.T) {
	for _, host := range []string{"ftp://anna:hunter2@x", "http://anna:hunter2@x:99999", "http://anna:hunter2@x/%zz", "http://anna:hunter2@x?y"} {
		if _, err := stage.Define(t, httpqps.Class(), host, nil); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("host %s: %v", host, err)
		}
	}
}

func TestClassDeclaresItsOptions(t *testing.T) {
	class := httpqps.Class()
	if class.Name != "HttpQpsUser" || class.Help == "" {
		t.Errorf("class %+v", class)
	}
	var options user.OptionSet
	class.New().Options(&options)
	for _, o := range options.All() {
		if !strings.HasPrefix(o.Name, "http-") || o.Help == "" {
			t.Errorf("option %q with the help %q", o.Name, o.Help)
		}
		if err := o.Set(o.Default); err != nil {
			t.Errorf("default: %v", err)
		}
	}
	for name, text := range map[string]string{"http-timeout": "0s", "http-payload-size": "67108865"} {
		if err := options.Lookup(name).Set(text); err == nil {
			t.Errorf("--%s=%s was taken", name, text)
		}
	}
}

func TestClientFollowsFromTheTarget(t *testing.T) {
	cases := []struct {
		name, host string
		set        stage.Options
		loops      bool
	}{
		{name: "plain", host: "http://127.0.0.1:1", loops: true},
		{name: "asked for", host: "http://127.0.0.1:1", set: stage.Options{"http-client": "engine"}, loops: true},
		{name: "other asked for", host: "http://127.0.0.1:1", set: stage.Options{"http-client": "fasthttp"}},
		{name: "secure", host: "https://127.0.0.1:1"},
		{name: "large request", host: "http://127.0.0.1:1", set: stage.Options{"http-payload-size": "1048576"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			definition, err := stage.Define(t, httpqps.Class(), c.host, c.set)
			if err != nil {
				t.Fatal(err)
			}
			if _, loops := definition.(user.EventDefinition); loops != c.loops {
				t.Errorf("%T is chosen", definition)
			}
		})
	}
}
