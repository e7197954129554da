package main

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"upsurge/worker/result"
	"upsurge/worker/user"
)

// parsedWorker is the worker command after its flags were read.
func parsedWorker(t *testing.T, arguments ...string) *pflag.FlagSet {
	t.Helper()
	command := newWorkerCommand()
	command.InitDefaultHelpFlag()
	if err := command.ParseFlags(joinLists(arguments)); err != nil {
		t.Fatal(err)
	}
	if err := command.ValidateArgs(command.Flags().Args()); err != nil {
		t.Fatal(err)
	}
	return command.Flags()
}

// locustFlags are all flags in the help of Locust 2.12.1 and 2.47.0 and those
// that it has and does not show. What stands behind a flag is its value.
const locustFlags = `
-h --help -V --version
-f FILE --locustfile FILE --config FILE -H HOST --host HOST -u 1 --users 1 -r 1.5 --spawn-rate 1.5
-t 1h30m --run-time 1h30m -l --list --config-users {}
--web-host HOST --web-host-display-name NAME --web-port 8089 -P 8089 --headless --headful --autostart
--autoquit 3 --web-auth a:b --web-login --tls-cert FILE --tls-key FILE --class-picker --web-base-path /x --build-path DIR
--master --master-bind-host HOST --master-bind-port 5557 --expect-workers 2 --expect-workers-max-wait 3
--enable-rebalancing --worker --processes 4 --master-host HOST --master-port 5557
-T a --tags a -E a --exclude-tags a
--csv PREFIX --csv-full-history --print-stats --only-summary --reset-stats --html FILE --json --json-file FILE
--skip-log-setup --loglevel DEBUG -L DEBUG --logfile FILE
--show-task-ratio --show-task-ratio-json --exit-code-on-error 3 -s 3 --stop-timeout 3 --equal-weights
--profile NAME --otel`

// lookup finds a flag by its long or short name, dashes included.
func lookup(set *pflag.FlagSet, name string) *pflag.Flag {
	if long, ok := strings.CutPrefix(name, "--"); ok {
		return set.Lookup(long)
	}
	return set.ShorthandLookup(strings.TrimPrefix(name, "-"))
}

// wantFlag checks that a worker has a flag of Locust's, with a value or not as
// there.
func wantFlag(t *testing.T, set *pflag.FlagSet, name string, value bool) {
	t.Helper()
	flag := lookup(set, name)
	if flag == nil {
		t.Errorf("a worker has no flag %s", name)
		return
	}
	if takes := flag.NoOptDefVal == ""; takes != value {
		t.Errorf("%s takes a value: %v, in Locust: %v", name, takes, value)
	}
}

func TestWorkerTakesLocustsFlags(t *testing.T) {
	set := parsedWorker(t)
	words := strings.Fields(locustFlags)
	for i, word := range words {
		if strings.HasPrefix(word, "-") {
			wantFlag(t, set, word, i+1 < len(words) && !strings.HasPrefix(words[i+1], "-"))
		}
	}
	withoutHelp := words[4:]
	set = parsedWorker(t, withoutHelp...)
	for flag, want := range map[string]string{
		"master-host": "HOST", "master-port": "5557", "processes": "4", "json-file": "FILE", "loglevel": "DEBUG", "logfile": "FILE",
	} {
		if got := set.Lookup(flag).Value.String(); got != want {
			t.Errorf("--%s is %q, want %q: this one is not to be ignored", flag, got, want)
		}
	}
}

// The help of the Locusts that are there has no flag that is not in the table
// above or not known to a worker.
func TestWorkerTakesTheFlagsInLocustsHelp(t *testing.T) {
	eachLocust(t, func(t *testing.T, executable string) {
		output, err := exec.CommandContext(t.Context(), executable, "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		set := parsedWorker(t)
		found := helpFlags(string(output))
		if len(found) < 40 {
			t.Fatalf("only %d flags were found in:\n%s", len(found), output)
		}
		for name, value := range found {
			wantFlag(t, set, name, value)
			if !regexp.MustCompile(`(?m)(^|\s)` + name + `(\s|$)`).MatchString(locustFlags) {
				t.Errorf("%s is not in the table of this test", name)
			}
		}
	})
}

// helpFlags reads the flags off a help text of argparse, and whether each
// takes a value.
func helpFlags(text string) map[string]bool {
	found := map[string]bool{}
	for line := range strings.Lines(text) {
		declaration, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "  -")
		if !ok {
			continue
		}
		declaration, _, _ = strings.Cut("-"+declaration, "  ")
		for part := range strings.SplitSeq(declaration, ", ") {
			name, value, _ := strings.Cut(part, " ")
			found[name] = value != ""
		}
	}
	return found
}

func TestHelpFlags(t *testing.T) {
	got := helpFlags("Usage: x\n\n  -h, --help            show this --not\n  --web-port <port number>, -P <port number>\n" +
		"                        --nor-this\n  -T [<tag> ...], --tags [<tag> ...]\n  --headless            Disable\n")
	want := map[string]bool{"-h": false, "--help": false, "--web-port": true, "-P": true, "-T": true, "--tags": true, "--headless": false}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for name, value := range want {
		if takes, ok := got[name]; !ok || takes != value {
			t.Errorf("%s: got %v, %v, want %v", name, takes, ok, value)
		}
	}
}

func TestIgnoredFlagsAreNamedWithoutValues(t *testing.T) {
	var log strings.Builder
	set := parsedWorker(t, "-f", "-", "--web-auth", "me:secret", "-T", "a", "b", "--headless", "TcpHoldUser", "--master-host", "m")
	ignoredLocustFlags(set, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for _, want := range []string{"--locustfile", "--web-auth", "--headless", "--tags", "TcpHoldUser"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not name %s: %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "--master-host") {
		t.Errorf("the log has a value, or a flag that is not ignored: %s", log.String())
	}
}

func TestIgnoredFlagsAreHidden(t *testing.T) {
	out, err := execute(t, "worker", "--help")
	if err != nil || strings.Contains(out, "--web-host") || strings.Contains(out, "--headless") || !strings.Contains(out, "--master-host") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestEnvironment(t *testing.T) {
	cases := []struct {
		name        string
		environment map[string]string
		arguments   []string
		flag, want  string
	}{
		{name: "nothing", flag: "master-host", want: "127.0.0.1"},
		{name: "Locust's variable", environment: map[string]string{"LOCUST_MASTER_NODE_HOST": "a"}, flag: "master-host", want: "a"},
		{name: "the older variable", environment: map[string]string{"LOCUST_MASTER_HOST": "b"}, flag: "master-host", want: "b"},
		{name: "both", environment: map[string]string{"LOCUST_MASTER_NODE_HOST": "a", "LOCUST_MASTER_HOST": "b"}, flag: "master-host", want: "a"},
		{name: "empty is not set", environment: map[string]string{"LOCUST_MASTER_NODE_HOST": "", "LOCUST_MASTER_HOST": "b"}, flag: "master-host", want: "b"},
		{name: "flag goes first", environment: map[string]string{"LOCUST_MASTER_NODE_HOST": "a"}, arguments: []string{"--master-host", "c"}, flag: "master-host", want: "c"},
		{name: "port", environment: map[string]string{"LOCUST_MASTER_NODE_PORT": "1", "LOCUST_MASTER_PORT": "2"}, flag: "master-port", want: "1"},
		{name: "port's flag", environment: map[string]string{"LOCUST_MASTER_NODE_PORT": "1"}, arguments: []string{"--master-port=3"}, flag: "master-port", want: "3"},
		{name: "processes", environment: map[string]string{"LOCUST_PROCESSES": "-1"}, flag: "processes", want: "-1"},
		{name: "log level", environment: map[string]string{"LOCUST_LOGLEVEL": "DEBUG"}, flag: "loglevel", want: "DEBUG"},
		{name: "log level's flag", environment: map[string]string{"LOCUST_LOGLEVEL": "DEBUG"}, arguments: []string{"-L", "ERROR"}, flag: "loglevel", want: "ERROR"},
		{name: "log file", environment: map[string]string{"LOCUST_LOGFILE": "x.log"}, flag: "logfile", want: "x.log"},
	}
	variables := []string{
		"LOCUST_MASTER_NODE_HOST", "LOCUST_MASTER_HOST", "LOCUST_MASTER_NODE_PORT", "LOCUST_MASTER_PORT",
		"LOCUST_PROCESSES", "LOCUST_LOGLEVEL", "LOCUST_LOGFILE",
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range variables {
				t.Setenv(name, c.environment[name])
			}
			if got := parsedWorker(t, c.arguments...).Lookup(c.flag).Value.String(); got != c.want {
				t.Errorf("--%s is %q, want %q", c.flag, got, c.want)
			}
		})
	}
}

func TestProcessCount(t *testing.T) {
	cases := []struct {
		text string
		want int // 0: a usage error
	}{
		{text: "1", want: 1},
		{text: " 4 ", want: 4},
		{text: "10000", want: 10000},
		{text: "-1", want: runtime.NumCPU()},
		{text: "0"},
		{text: "-2"},
		{text: "10001"},
		{text: "many"},
		{text: ""},
		{text: "1.5"},
		{text: "99999999999999999999"},
	}
	for _, c := range cases {
		got, err := processCount(c.text)
		switch {
		case c.want == 0 && (exitCode(err) != exitUsage || !strings.Contains(err.Error(), "--processes="+c.text)):
			t.Errorf("%q: %v, want a usage error that names it", c.text, err)
		case c.want > 0 && (err != nil || got != c.want):
			t.Errorf("%q: %d, %v, want %d", c.text, got, err, c.want)
		}
	}
}

func TestProcessShare(t *testing.T) {
	cases := []struct {
		value string
		want  user.Share
	}{
		{value: "3/8", want: user.Share{Index: 2, Count: 8}},
		{value: "1/1", want: user.Share{Index: 0, Count: 1}},
		{value: ""},
		{value: "3"},
		{value: "0/8"},
		{value: "9/8"},
		{value: "x/8"},
		{value: "3/x"},
		{value: "-1/8"},
	}
	for _, c := range cases {
		t.Setenv(processVariable, c.value)
		share, child := processShare()
		if child != (c.want.Count > 0) || (child && share != c.want) {
			t.Errorf("%s=%q: %+v, %v, want %+v", processVariable, c.value, share, child, c.want)
		}
	}
}

func TestWorkerConfig(t *testing.T) {
	good := workerFlags{masterHost: "m", masterPort: "5557", processes: "2", loops: 3}
	config, processes, err := good.config()
	if err != nil || config.MasterHost != "m" || config.MasterPort != 5557 || config.Loops != 3 || processes != 2 || len(config.Classes) != len(classes()) {
		t.Errorf("got %+v, %d, %v", config, processes, err)
	}
	cases := []struct {
		name   string
		change func(*workerFlags)
		want   string
	}{
		{name: "port", change: func(f *workerFlags) { f.masterPort = "five" }, want: "--master-port=five"},
		{name: "port zero", change: func(f *workerFlags) { f.masterPort = "0" }, want: "--master-port=0"},
		{name: "port too large", change: func(f *workerFlags) { f.masterPort = "65536" }, want: "--master-port=65536"},
		{name: "no host", change: func(f *workerFlags) { f.masterHost = " " }, want: "--master-host is empty"},
		{name: "loops", change: func(f *workerFlags) { f.loops = -1 }, want: "--loops=-1"},
		{name: "processes", change: func(f *workerFlags) { f.processes = "0" }, want: "--processes=0"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			flags := good
			c.change(&flags)
			if _, _, err := flags.config(); exitCode(err) != exitUsage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want a usage error with %q", err, c.want)
			}
		})
	}
}

func TestResultFileOfEachProcess(t *testing.T) {
	cases := map[user.Share]string{{}: "sums.json", {Index: 0, Count: 12}: "sums-1.json", {Index: 11, Count: 12}: "sums-12.json"}
	for share, want := range cases {
		folder := t.TempDir()
		flags := workerFlags{jsonFile: filepath.Join(folder, "sums.json")}
		flags.keepResult(slog.New(slog.DiscardHandler), share)(result.Result{Schema: result.Schema})
		if _, err := os.Stat(filepath.Join(folder, want)); err != nil {
			t.Errorf("process %+v: %v", share, err)
		}
	}
}
