package solo_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"upsurge/worker/result"
	"upsurge/worker/solo"
	"upsurge/worker/user"
)

// Both kinds of users, against a server that keeps books of its own: not one
// message may be missing, nor be counted that was cut off.
func TestRun(t *testing.T) {
	cases := []struct {
		name  string
		class user.Class
	}{
		{name: "event users", class: eventClass()},
		{name: "blocking users", class: blockingClass()},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			server := newEcho(t)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var progress []solo.Progress
			r, err := solo.Run(ctx, solo.Config{
				Class: test.class, Host: server.address, Users: 6, SpawnRate: 1000, Loops: 2,
				Read:     func(options *user.OptionSet) error { return options.Lookup("row").Set("chat") },
				Interval: 5 * time.Millisecond, StopTimeout: patience,
				OnProgress: func(p solo.Progress) {
					progress = append(progress, p)
					if p.Users == 6 && p.Total.Count > 100 {
						cancel()
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.Class != test.class.Name || r.Users != 6 || server.accepts.Load() != 6 {
				t.Errorf("class %s with %d users, %d connections, want 6", r.Class, r.Users, server.accepts.Load())
			}
			checkSums(t, r, server.bytes.Load())
			checkProgress(t, r, progress)
		})
	}
}

func checkSums(t *testing.T, r result.Result, bytes int64) {
	t.Helper()
	if len(r.Requests) != 1 || r.Requests[0].Name != "chat" || r.Requests[0].Method != "TCP" {
		t.Fatalf("rows %+v, want one of the name that the option gave", r.Requests)
	}
	row := r.Requests[0]
	if row.Bytes != bytes || row.Count != bytes/int64(len(message)) {
		t.Errorf("%d messages with %d bytes, the server has %d bytes", row.Count, row.Bytes, bytes)
	}
	var failures int64
	for _, e := range r.Errors {
		failures += e.Count
	}
	if failures != row.Failures {
		t.Errorf("%d errors, %d failures", failures, row.Failures)
	}
	total := r.Total
	if total.Count != row.Count || total.Failures != row.Failures || total.Bytes != row.Bytes || total.MinMillis != row.MinMillis ||
		total.MaxMillis != row.MaxMillis || total.MeanMillis != row.MeanMillis || total.Percentiles["99"] != row.Percentiles["99"] {
		t.Errorf("total %+v of the only row %+v", total, row)
	}
	if rps := float64(total.Count) / r.DurationSeconds; math.Abs(total.RPS-rps) > 1e-6*rps {
		t.Errorf("%v requests a second, want %v", total.RPS, rps)
	}
	if r.CPUSeconds < 0 || r.MaxRSSBytes <= 0 {
		t.Errorf("CPU %v s, memory %v bytes", r.CPUSeconds, r.MaxRSSBytes)
	}
}

// The intervals add up to the total, and the last one is the result.
func checkProgress(t *testing.T, r result.Result, progress []solo.Progress) {
	t.Helper()
	var count, failures int64
	var elapsed time.Duration
	for i, p := range progress {
		count += p.Interval.Count
		failures += p.Interval.Failures
		if p.Total.Count != count || p.Total.Failures != failures {
			t.Fatalf("progress %d: total of %d with %d failures, the intervals have %d with %d", i, p.Total.Count, p.Total.Failures, count, failures)
		}
		if p.Elapsed < elapsed || p.Wanted != 6 || p.Users < 0 || p.Users > 6 {
			t.Errorf("progress %d: %v elapsed after %v, %d users of %d", i, p.Elapsed, elapsed, p.Users, p.Wanted)
		}
		if last := i == len(progress)-1; p.Last != last {
			t.Errorf("progress %d of %d: last is %v", i, len(progress), p.Last)
		}
		elapsed = p.Elapsed
	}
	if count != r.Total.Count || failures != r.Total.Failures {
		t.Errorf("the result has %d requests with %d failures, the progress %d with %d", r.Total.Count, r.Total.Failures, count, failures)
	}
	if last := progress[len(progress)-1]; !last.Stopping || last.Users != 0 {
		t.Errorf("the last progress has %d users, stopping %v", last.Users, last.Stopping)
	}
}

func TestRunTime(t *testing.T) {
	server := newEcho(t)
	r, err := solo.Run(context.Background(), solo.Config{Class: eventClass(), Host: server.address, Loops: 1, RunTime: 100 * time.Millisecond, StopTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	if r.Users != 1 || r.DurationSeconds < 0.1 || r.Total.Count == 0 || r.Total.Bytes != server.bytes.Load() {
		t.Errorf("%d users, %v s, %d requests with %d bytes, the server has %d bytes", r.Users, r.DurationSeconds, r.Total.Count, r.Total.Bytes, server.bytes.Load())
	}
}

func TestSetupErrors(t *testing.T) {
	refuse := errors.New("refused")
	failing := user.Class{Name: "Failing", New: func() user.Definition {
		return writers{&settings{prepare: func(context.Context) error { return refuse }}}
	}}
	cases := []struct {
		name   string
		config solo.Config
		cause  error
		shown  string
	}{
		{name: "no class", config: solo.Config{}, shown: "no user class"},
		{name: "users", config: solo.Config{Class: eventClass(), Users: -1}, shown: "users -1"},
		{name: "spawn rate", config: solo.Config{Class: eventClass(), SpawnRate: -0.5}, shown: "spawn rate -0.5"},
		{name: "no number", config: solo.Config{Class: eventClass(), SpawnRate: math.NaN()}, shown: "spawn rate NaN"},
		{name: "run time", config: solo.Config{Class: eventClass(), RunTime: -1}, shown: "want 0 to"},
		{name: "stop timeout", config: solo.Config{Class: eventClass(), StopTimeout: -1}, shown: "want 0 to"},
		{name: "every fault", config: solo.Config{Users: -1, SpawnRate: -2}, shown: "users -1: want 1 or more\nspawn rate -2"},
		{name: "option", config: solo.Config{Class: eventClass(), Read: func(*user.OptionSet) error { return refuse }}, cause: refuse, shown: "Talker: refused"},
		{name: "prepare", config: solo.Config{Class: failing}, cause: refuse, shown: "Failing: refused"},
		{name: "host", config: solo.Config{Class: eventClass(), Host: "nowhere"}, shown: "nowhere"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			_, err := solo.Run(context.Background(), test.config)
			if !errors.Is(err, solo.ErrSetup) || !strings.Contains(err.Error(), test.shown) {
				t.Errorf("error %v, want a setup error with %q", err, test.shown)
			}
			if test.cause != nil && !errors.Is(err, test.cause) {
				t.Errorf("error %v does not lead to its cause", err)
			}
		})
	}
}

// Whoever gives up before the first user starts gets an empty result, not an
// error of the preparation that was cut off.
func TestCancelledDuringPreparation(t *testing.T) {
	for range 20 { // which of two events comes first is chance
		ctx, cancel := context.WithCancel(context.Background())
		class := user.Class{Name: "Slow", New: func() user.Definition {
			return writers{&settings{prepare: func(inside context.Context) error {
				cancel()
				<-inside.Done()
				return inside.Err()
			}}}
		}}
		r, err := solo.Run(ctx, solo.Config{Class: class, Loops: 1})
		cancel()
		if err != nil || r.Total.Count != 0 || r.Schema != result.Schema {
			t.Fatalf("%d requests, schema %q, error %v", r.Total.Count, r.Schema, err)
		}
	}
}

func TestCancelledBeforeTheStart(t *testing.T) {
	server := newEcho(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := solo.Run(ctx, solo.Config{Class: eventClass(), Host: server.address, Users: 10, SpawnRate: 1e6}); err != nil {
		t.Error(err)
	}
}

// stuck is a user that does not hear its context.
type stuck struct {
	writer
	release <-chan struct{}
}

func (u *stuck) Start(context.Context) error { return nil }

func (u *stuck) Iterate(context.Context) (time.Duration, error) {
	now := u.scope.Clock.Now()
	u.scope.Success(u.row, now, user.NoLatency, 0)
	<-u.release
	return 0, nil
}

type stuckUsers struct {
	*settings
	release chan struct{}
}

func (d stuckUsers) NewUser(scope user.Scope) user.BlockingUser {
	return &stuck{writer: writer{settings: d.settings, scope: scope, row: scope.Row("", "stuck")}, release: d.release}
}

// A user that does not end must not keep the run from ending.
func TestUserThatDoesNotEnd(t *testing.T) {
	t.Parallel() // takes the time that users have to end
	release := make(chan struct{})
	defer close(release)
	class := user.Class{Name: "Stuck", New: func() user.Definition { return stuckUsers{&settings{}, release} }}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r, err := solo.Run(context.Background(), solo.Config{Class: class, Users: 2, SpawnRate: 1e6, RunTime: 10 * time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), "2 users of class Stuck") || errors.Is(err, solo.ErrSetup) {
			t.Errorf("error %v, want one that counts the users", err)
		}
		if r.Total.Count != 2 {
			t.Errorf("%d requests, want 2", r.Total.Count)
		}
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("waits for ever")
	}
}
