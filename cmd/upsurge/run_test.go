package main

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"upsurge/worker/result"
	"upsurge/worker/solo"
	"upsurge/worker/user"
)

// runConfig is what "upsurge run" of the class makes of the flags.
func runConfig(t *testing.T, class user.Class, arguments ...string) (solo.Config, error) {
	t.Helper()
	var config solo.Config
	var flags runFlags
	command := &cobra.Command{}
	flags.declare(command.Flags(), class)
	err := command.ParseFlags(arguments)
	if err == nil {
		config, err = flags.config(class, command.Flags())
	}
	return config, err
}

func TestRunFlags(t *testing.T) {
	for _, name := range []string{"LOCUST_HOST", "LOCUST_USERS", "LOCUST_SPAWN_RATE", "LOCUST_RUN_TIME", "LOCUST_STOP_TIMEOUT"} {
		t.Setenv(name, "")
	}
	standard := solo.Config{Users: 1, SpawnRate: 1}
	cases := []struct {
		name   string
		line   string
		change func(*solo.Config)
		fault  string
	}{
		{name: "defaults", line: ""},
		{name: "long", line: "--host h:1 --users 10 --spawn-rate 2.5 --run-time 60s --stop-timeout 3s", change: func(c *solo.Config) {
			*c = solo.Config{Host: "h:1", Users: 10, SpawnRate: 2.5, RunTime: time.Minute, StopTimeout: 3 * time.Second}
		}},
		{name: "short", line: "-H h:1 -u 10 -r 2.5 -t 60s -s 3s", change: func(c *solo.Config) {
			*c = solo.Config{Host: "h:1", Users: 10, SpawnRate: 2.5, RunTime: time.Minute, StopTimeout: 3 * time.Second}
		}},
		{name: "seconds", line: "-t 60 -s 0.5", change: func(c *solo.Config) { c.RunTime, c.StopTimeout = time.Minute, 500*time.Millisecond }},
		{name: "hours and minutes", line: "-t 1h30m", change: func(c *solo.Config) { c.RunTime = 90 * time.Minute }},
		{name: "many seconds", line: "-t 300s", change: func(c *solo.Config) { c.RunTime = 5 * time.Minute }},
		{name: "loops", line: "--loops 2", change: func(c *solo.Config) { c.Loops = 2 }},
		{name: "no users", line: "-u 0", fault: "--users=0"},
		{name: "half a user", line: "-u 1.5", fault: "--users=1.5"},
		{name: "no rate", line: "-r 0", fault: "--spawn-rate=0"},
		{name: "rate below zero", line: "-r -1", fault: "--spawn-rate=-1"},
		{name: "rate that is none", line: "-r NaN", fault: "--spawn-rate=NaN"},
		{name: "endless rate", line: "-r Inf", fault: "--spawn-rate=Inf"},
		{name: "run time", line: "-t later", fault: "--run-time=later: want a time"},
		{name: "run time below zero", line: "-t -1s", fault: "--run-time=-1s: want a time of 0 or more"},
		{name: "stop timeout", line: "-s x", fault: "--stop-timeout=x"},
		{name: "fewer loops than none", line: "--loops -1", fault: "--loops=-1"},
		{name: "every fault", line: "-u x -r y -t z", fault: "--users=x: want a whole number from 1\n--spawn-rate=y: want a number above 0\n--run-time=z"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := runConfig(t, everyKindClass(), strings.Fields(c.line)...)
			if c.fault != "" {
				if exitCode(err) != exitUsage || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("error %v, want a usage error with %q", err, c.fault)
				}
				return
			}
			want := standard
			if c.change != nil {
				c.change(&want)
			}
			if err != nil || got.Host != want.Host || got.Users != want.Users || got.SpawnRate != want.SpawnRate ||
				got.RunTime != want.RunTime || got.StopTimeout != want.StopTimeout || got.Loops != want.Loops {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

func TestRunEnvironment(t *testing.T) {
	t.Setenv("LOCUST_HOST", "h:1")
	t.Setenv("LOCUST_USERS", "7")
	t.Setenv("LOCUST_SPAWN_RATE", "3")
	t.Setenv("LOCUST_RUN_TIME", "2m")
	t.Setenv("LOCUST_STOP_TIMEOUT", "5")
	got, err := runConfig(t, everyKindClass(), "-r", "4")
	if err != nil || got.Host != "h:1" || got.Users != 7 || got.SpawnRate != 4 || got.RunTime != 2*time.Minute || got.StopTimeout != 5*time.Second {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestClassOptionsAreFlags(t *testing.T) {
	cases := []struct {
		name   string
		line   []string
		change func(*everyKind)
		fault  string
	}{
		{name: "defaults"},
		{name: "text", line: []string{"--every-text", "hello"}, change: func(d *everyKind) { d.text = "hello" }},
		{name: "empty text", line: []string{"--every-text="}, change: func(d *everyKind) { d.text = "" }},
		{name: "switch on", line: []string{"--every-no", "true"}, change: func(d *everyKind) { d.no = true }},
		{name: "switch off", line: []string{"--every-yes=false"}, change: func(d *everyKind) { d.yes = false }},
		{name: "time", line: []string{"--every-span", "1m30s"}, change: func(d *everyKind) { d.span = 90 * time.Second }},
		{name: "seconds", line: []string{"--every-span", "0.5"}, change: func(d *everyKind) { d.span = 500 * time.Millisecond }},
		{name: "numbers", line: []string{"--every-number=9", "--every-ratio=0.25"}, change: func(d *everyKind) { d.number, d.ratio = 9, 0.25 }},
		{name: "choice", line: []string{"--every-choice", "first"}, change: func(d *everyKind) { d.choice = "first" }},
		{name: "the last one counts", line: []string{"--every-number=9", "--every-number=8"}, change: func(d *everyKind) { d.number = 8 }},
		{name: "not a choice", line: []string{"--every-choice", "third"}, fault: "want one of first, second"},
		{name: "out of range", line: []string{"--every-number", "101"}, fault: "--every-number=101: want a value from 0 to 100"},
		{name: "not a time", line: []string{"--every-span", "soon"}, fault: "--every-span=soon: want a time"},
		{name: "not a switch", line: []string{"--every-no=perhaps"}, fault: "want true or false"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			config, err := runConfig(t, everyKindClass(), c.line...)
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("error %v, want one with %q", err, c.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got, want everyKind
			var set, defaults user.OptionSet
			got.Options(&set)
			if err := config.Read(&set); err != nil {
				t.Fatal(err)
			}
			want.Options(&defaults)
			if c.change != nil {
				c.change(&want)
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestHelpOfAClassListsItsOptions(t *testing.T) {
	for _, class := range classes() {
		out, err := execute(t, "run", class.Name, "--help")
		if err != nil {
			t.Fatal(err)
		}
		var declared user.OptionSet
		class.New().Options(&declared)
		for _, option := range declared.All() {
			line := ""
			for candidate := range strings.Lines(out) {
				if strings.Contains(candidate, "--"+option.Name+" ") {
					line = candidate
				}
			}
			if !strings.Contains(line, option.Help) {
				t.Errorf("%s: the help has no line for --%s and its help: %q", class.Name, option.Name, line)
			}
			shown := option.Default
			if option.Kind == user.KindString && shown != "" {
				shown = `"` + shown + `"`
			}
			none := shown == "" || shown == "0" || shown == "false" // left out, as for every flag
			if !none && !strings.Contains(line, "(default "+shown+")") {
				t.Errorf("%s: --%s shows no default %s: %q", class.Name, option.Name, shown, line)
			}
		}
	}
}

func TestProgressLine(t *testing.T) {
	busy := result.Row{Count: 20, RPS: 10, Percentiles: map[string]float64{"50": 1.5, "99": 1234.5}}
	cases := []struct {
		name     string
		progress solo.Progress
		want     string
	}{
		{name: "nothing yet", want: "   0.0s  users 0/0  requests 0  failures 0  0.0/s"},
		{
			name:     "busy",
			progress: solo.Progress{Elapsed: 2 * time.Second, Users: 9, Wanted: 10, Interval: busy, Total: result.Row{Count: 100, Failures: 3}},
			want:     "   2.0s  users 9/10  requests 100  failures 3  10.0/s  p50 1.500  p99 1234",
		},
		{
			name:     "stopping",
			progress: solo.Progress{Elapsed: 3723 * time.Second, Stopping: true, Wanted: 10, Total: result.Row{Count: 100}},
			want:     "3723.0s stopping  users 0/10  requests 100  failures 0  0.0/s",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := progressLine(c.progress); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestLiveView(t *testing.T) {
	progress := solo.Progress{Wanted: 1}
	line := progressLine(progress)
	cases := []struct {
		name     string
		view     liveView
		progress solo.Progress
		want     string
	}{
		{name: "plain", progress: progress, want: line + "\n"},
		{name: "terminal", view: liveView{terminal: true}, progress: progress, want: "\r\x1b[K" + line + "\n"},
		{name: "quiet", view: liveView{quiet: true, terminal: true}, progress: progress},
		{name: "the last one is the summary's", progress: solo.Progress{Last: true}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			c.view.out = &out
			c.view.show(c.progress)
			c.view.close()
			if out.String() != c.want {
				t.Errorf("got %q, want %q", out.String(), c.want)
			}
		})
	}
}

func TestMillis(t *testing.T) {
	cases := []struct {
		value float64
		want  string
	}{
		{0, "0"}, {0.0004, "0.000"}, {0.25, "0.250"}, {9.9994, "9.999"}, {10, "10.0"}, {999.94, "999.9"}, {1000, "1000"}, {123456.7, "123457"},
	}
	for _, c := range cases {
		if got := millis(c.value); got != c.want {
			t.Errorf("%v: got %q, want %q", c.value, got, c.want)
		}
	}
}

const summaryWithErrors = `  method        name  requests  failures  req/s    min   mean    p50    p90   p99  p99.9   max  bytes
     TCP     connect        10         1    5.0  0.100  0.200  0.150  0.300  12.5   1000  1000      0
     TCP        recv       200         0  100.0      0      0      0      0     0      0     0    400
          Aggregated       210         1  105.0  0.100  0.200  0.150  0.300  12.5   1000  1000    400

  failures  method     name    error
         1     TCP  connect  refused

TcpHoldUser, 10 users, 2.0 s, CPU 0.25 s, memory at most 12.5 MiB; times in ms
`

func TestSummary(t *testing.T) {
	timed := result.Row{
		Method: "TCP", Name: "connect", Count: 10, Failures: 1, RPS: 5, MinMillis: 0.1, MeanMillis: 0.2, MaxMillis: 1000,
		Percentiles: map[string]float64{"50": 0.15, "90": 0.3, "99": 12.5, "99.9": 1000},
	}
	total := timed
	total.Method, total.Name, total.Count, total.RPS, total.Bytes = "", "Aggregated", 210, 105, 400
	r := result.Result{
		Class: "TcpHoldUser", Users: 10, DurationSeconds: 2, CPUSeconds: 0.25, MaxRSSBytes: 12.5 * (1 << 20),
		Requests: []result.Row{timed, {Method: "TCP", Name: "recv", Count: 200, RPS: 100, Bytes: 400}},
		Total:    total,
		Errors:   []result.Error{{Method: "TCP", Name: "connect", Error: "refused", Count: 1}},
	}
	var out strings.Builder
	if err := writeSummary(&out, r); err != nil || out.String() != summaryWithErrors {
		t.Errorf("%v\ngot:\n%s\nwant:\n%s", err, out.String(), summaryWithErrors)
	}
}
