package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTargetUsage(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	missing := filepath.Join(t.TempDir(), "missing.pem")
	cases := []struct {
		name string
		args []string
		code int
		want string
	}{
		{name: "unknown target", args: []string{"ftp"}, code: exitUsage, want: `unknown target "ftp"`},
		{name: "unknown flag", args: []string{"push", "--colour"}, code: exitUsage, want: "--colour"},
		{name: "argument", args: []string{"echo", "8080"}, code: exitUsage, want: "8080"},
		{name: "bad address", args: []string{"echo", "--listen", "8080"}, code: exitUsage, want: "want host:port"},
		{name: "bad range", args: []string{"echo", "--listen", ":9-8"}, code: exitUsage, want: "must rise"},
		{name: "bad loops", args: []string{"echo", "--loops", "-2"}, code: exitUsage, want: "loops -2"},
		{name: "bad backlog", args: []string{"echo", "--backlog", "-2"}, code: exitUsage, want: "backlog -2"},
		{name: "bad processes", args: []string{"echo", "--processes", "0"}, code: exitUsage, want: "--processes 0"},
		{name: "bad interval", args: []string{"push", "--interval", "10us"}, code: exitUsage, want: "interval 10µs"},
		{name: "no interval", args: []string{"push", "--interval", "0"}, code: exitUsage, want: "--interval"},
		{name: "no message", args: []string{"push", "--message", ""}, code: exitUsage, want: "--message"},
		{name: "key without certificate", args: []string{"http", "--tls-key", "k"}, code: exitUsage, want: "give both"},
		{name: "two certificates", args: []string{"http", "--tls-cert", "c", "--tls-key", "k", "--tls-self-signed", "s"}, code: exitUsage, want: "excludes"},
		{name: "self-signed processes", args: []string{"http", "--tls-self-signed", "s", "--processes", "2"}, code: exitUsage, want: "one process"},
		{name: "missing certificate", args: []string{"http", "--tls-cert", missing, "--tls-key", missing}, code: exitFailures, want: missing},
		{name: "address in use", args: []string{"echo", "--listen", taken.Addr().String()}, code: exitFailures, want: "address already in use"},
		{name: "admin address in use", args: []string{"echo", "--listen", "127.0.0.1:0", "--admin", taken.Addr().String()}, code: exitFailures, want: "admin listener"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			root := newRootCommand()
			root.SetArgs(append([]string{"target"}, tc.args...))
			err := root.Execute()
			if exitCode(err) != tc.code || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("exit code %d, %v; want %d, %q", exitCode(err), err, tc.code, tc.want)
			}
		})
	}
}

func TestTargetSelfSignedCertificateIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	flags := targetTLSFlags{selfSigned: path}
	pair, err := flags.load(1)
	if err != nil || pair == nil {
		t.Fatalf("%v, %v", pair, err)
	}
	written, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(written), "BEGIN CERTIFICATE") || strings.Contains(string(written), "PRIVATE KEY") {
		t.Errorf("%v: %s", err, written)
	}
}
