package netfault

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"upsurge/tasks/httpqps"
	"upsurge/tasks/tcpecho"
	"upsurge/tasks/tcphold"
	"upsurge/test/locust"
	"upsurge/test/scene"
	"upsurge/worker"
	"upsurge/worker/user"
)

// A worker that stands still for ten seconds is missed, and is back as soon as
// it moves.
func TestWorkerFrozen(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		s.join(s.address("master", 2))
		s.swarm()
		time.Sleep(3 * time.Second)
		s.hit.Signal(19) // SIGSTOP
		time.Sleep(10 * time.Second)
		if now := s.workersNow(); len(now) != 2 || now[0].State != "missing" && now[1].State != "missing" {
			t.Errorf("the master does not miss the frozen worker: %+v", now)
		}
		s.hit.Signal(18) // SIGCONT
		back := s.rejoined(time.Now(), 2)
		t.Logf("back %v after the thaw", back.Round(100*time.Millisecond))
		if back > rejoinGoal {
			t.Errorf("back only after %v, the goal is %v", back, rejoinGoal)
		}
		s.obeys()
		s.books(s.both(), s.final)
	})
}

// A second worker under the identity of one that is there gets no answer. It
// says so, keeps trying, does no harm, and takes the place once that is free.
func TestSameIdentityTwice(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		first, second := s.inside("twin_1"), s.inside("twin_1")
		first.run(t)
		s.awaitReady(1)
		s.swarm()
		second.run(t)
		locust.Until(t, 30*time.Second, "the second worker to say that it gets no answer", func() bool {
			return strings.Contains(second.log.String(), "no acknowledgement")
		})
		time.Sleep(12 * time.Second) // some more of its attempts
		if now := s.workersNow(); len(now) != 1 || now[0].State != "running" || now[0].UserCount != users {
			t.Errorf("the second worker disturbed the first: %+v", now)
		}
		first.stop()
		left := time.Now()
		s.awaitReady(1)
		t.Logf("the second took the place after %v", time.Since(left).Round(100*time.Millisecond))
		s.swarm()
		second.stop()
		s.master.Terminate()
	})
}

// twin is a worker inside the test process, whose identity can be chosen.
type twin struct {
	config worker.Config
	log    *scene.Output
	cancel context.CancelFunc
	ended  chan error
}

func (s *site) inside(identity string) *twin {
	w := &twin{log: &scene.Output{}, ended: make(chan error, 1)}
	w.config = worker.Config{
		MasterHost: s.address("master", 2), Identity: identity, Classes: []user.Class{tcphold.Class(), tcpecho.Class(), httpqps.Class()}, Loops: 1,
		Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return w
}

func (w *twin) run(t *testing.T) {
	t.Helper()
	made, err := worker.New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	go func() { w.ended <- made.Run(ctx) }()
	t.Cleanup(func() {
		w.stop()
		if err := <-w.ended; err != nil {
			t.Errorf("worker: %v", err)
		}
		if t.Failed() {
			t.Logf("worker %s:\n%s", w.config.Identity, w.log)
		}
	})
}

// stop asks the worker to leave.
func (w *twin) stop() { w.cancel() }
