package httpqps_test

import (
	"slices"
	"testing"
	"time"

	"upsurge/tasks/httpqps"
	"upsurge/tasks/internal/stage"
	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// lasting serves any number of requests on each connection.
func lasting(p *peer) {
	for p.request() {
		p.send(okAnswer)
	}
}

// onStage is a stage for users that wait as the options say, or not at all.
func onStage(t *testing.T, host string, set stage.Options) *stage.Stage {
	t.Helper()
	if set["http-wait-max"] == "" {
		set = with("engine", set)
		set["http-wait-min"], set["http-wait-max"] = "0s", "0s"
	}
	return stage.New(t, httpqps.Class(), host, set)
}

// wantGaps checks that the samples lie at least so far apart. How much farther
// depends on the machine.
func wantGaps(t *testing.T, samples []stage.Sample, gaps ...time.Duration) {
	t.Helper()
	for i, gap := range gaps {
		begun := samples[i+1].End - samples[i+1].Latency
		if got := begun - samples[i].End; got < gap {
			t.Errorf("%v between sample %d and the beginning of the next, want at least %v", got, i, gap)
		}
	}
}

func TestUserOnALoopWaits(t *testing.T) {
	s := onStage(t, listen(t, lasting), stage.Options{"http-wait-min": "5ms", "http-wait-max": "10ms"})
	s.Enter()
	const wait = 5 * time.Millisecond
	wantGaps(t, s.AwaitSamples("", 4), wait, wait, wait)
}

func TestDeadTargetIsNotHammeredByALoop(t *testing.T) {
	s := onStage(t, stage.Unused(t), nil)
	s.Enter()
	const ms = time.Millisecond
	wantGaps(t, s.AwaitSamples("", 4), 100*ms, 200*ms, 400*ms)
	if got := failuresOf(s.Books)[:4]; !slices.Equal(got, slices.Repeat([]string{"refused"}, 4)) {
		t.Errorf("failures %q", got)
	}
	if !slices.Equal(s.Advised(), []engine.Failure{engine.Refused}) {
		t.Errorf("advised %v, want it once", s.Advised())
	}
	if got := s.Present(); got != 1 {
		t.Errorf("%d users present, want the one that goes on trying", got)
	}
}

func TestBarrenConnectionsPauseOnALoop(t *testing.T) {
	host := listen(t, func(p *peer) {
		if p.request() && p.turn >= 4 {
			p.send(okAnswer)
			lasting(p)
		}
	})
	s := onStage(t, host, nil)
	s.Enter()
	const ms = time.Millisecond
	wantGaps(t, s.AwaitSamples("", 5), 0, 100*ms, 200*ms, 0)
	if got := failuresOf(s.Books)[:5]; !slices.Equal(got, []string{"server closed", "server closed", "server closed", "", ""}) {
		t.Errorf("failures %q", got)
	}
}

// The limit of a request counts from its beginning, also when many were
// answered within the limit of the first.
func TestTimeoutAfterQuickAnswers(t *testing.T) {
	host := listen(t, func(p *peer) {
		for begun := time.Now(); p.request() && (p.turn > 1 || time.Since(begun) < 20*time.Millisecond); {
			p.send(okAnswer)
		}
		p.untilClosed()
	})
	const timeout = 60 * time.Millisecond
	s := onStage(t, host, stage.Options{"http-timeout": timeout.String()})
	s.Enter()
	var late stage.Sample
	stage.Await(t, "a failure", func() bool {
		for _, sample := range s.Samples("") {
			if sample.Failure != "" {
				late = sample
				return true
			}
		}
		return false
	})
	if late.Failure != "timeout" || late.Latency < timeout {
		t.Errorf("got %+v, want a timeout after %v", late, timeout)
	}
}

func TestStopAtRest(t *testing.T) {
	s := onStage(t, listen(t, lasting), stage.Options{"http-wait-min": untouched, "http-wait-max": untouched})
	u := s.Enter()
	s.AwaitSamples("", 1)
	if present := s.Present(); present != 1 {
		t.Errorf("%d users present, want 1", present)
	}
	if !s.Stop(u) || s.Present() != 0 || s.Loop.Counts().Open != 0 {
		t.Error("a user at rest did not leave at once")
	}
}

func TestStopDuringConnect(t *testing.T) {
	s := onStage(t, listen(t, lasting), nil)
	s.Do(func() {
		u := s.NewUser()
		u.Start()
		if !u.Stop() {
			t.Error("a user that sent nothing did not leave at once")
		}
	})
	wantFailures(t, s.Books)
}

// inFlight is a user whose request has arrived. Its answer is up to the test.
func inFlight(t *testing.T) (s *stage.Stage, u user.EventUser, answer chan<- string, closed <-chan struct{}) {
	t.Helper()
	arrived, answers, ended := make(chan struct{}), make(chan string), make(chan struct{})
	host := listen(t, func(p *peer) {
		p.request()
		close(arrived)
		text, some := <-answers
		if some {
			p.send(text)
		}
		if text != "" || !some {
			p.untilClosed()
		}
		close(ended)
	})
	s = onStage(t, host, stage.Options{"http-timeout": "1h"})
	u = s.Enter()
	<-arrived
	return s, u, answers, ended
}

func TestStopWaitsForTheAnswer(t *testing.T) {
	cases := []struct{ name, answer, failure string }{
		{name: "answered", answer: okAnswer},
		{name: "malformed", answer: "nonsense\n", failure: `malformed response: no HTTP/1 status line: "nonsense"`},
		{name: "closed", failure: "server closed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, u, answer, closed := inFlight(t)
			if s.Stop(u) {
				t.Error("left with a request in flight")
			}
			if s.Present() != 1 {
				t.Error("not present any more")
			}
			answer <- c.answer
			s.AwaitGone()
			<-closed
			wantFailures(t, s.Books, c.failure)
		})
	}
}

func TestKillEndsARequestOnALoop(t *testing.T) {
	s, u, answer, closed := inFlight(t)
	if s.Stop(u) {
		t.Error("left with a request in flight")
	}
	s.Kill(u)
	close(answer)
	<-closed
	wantFailures(t, s.Books)
}
