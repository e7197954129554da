package soak

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"upsurge/test/locust"
	"upsurge/test/relay"
	"upsurge/test/scene"
)

const (
	mostUsers = 1500
	spawnRate = 500
	// patience is for what comes soon unless something is broken.
	patience = 60 * time.Second
	// settleTime is for workers to notice a fault and to be back.
	settleTime = 3 * time.Second
)

// soak is the whole arrangement. The first worker lives as long as the soak,
// so that what it leaks adds up; the second is restarted as one of the faults.
type soak struct {
	t                *testing.T
	random           *rand.Rand
	master           *locust.Master
	push, echo, http *scene.Target
	ways             [2]*relay.Relay // each worker's way to the master
	workers          [2]*scene.Process
	left             []*scene.Process // workers that were restarted
	faults           map[string]int
	tests            int
	sums             totals // of all tests that ended in order
}

func TestSoak(t *testing.T) {
	length := setting(t, "MINUTES", 0)
	if length == 0 {
		t.Skip("SKIPPED: MINUTES says for how long; try make soak MINUTES=3")
	}
	seed := setting(t, "SEED", time.Now().UnixNano()%1_000_000)
	t.Logf("%d minutes with SEED=%d", length, seed)
	s := newSoak(t, seed)
	s.watchedTest(false) // warm
	first := s.look()
	end := time.Now().Add(time.Duration(length) * time.Minute)
	var looks []usage
	for time.Now().Before(end) && !t.Failed() {
		s.watchedTest(true)
		looks = append(looks, s.look())
	}
	s.summary(seed, first, looks)
}

// setting reads a whole number from the environment.
func setting(t *testing.T, name string, fallback int64) int64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 0 {
		t.Fatalf("%s=%s: want a whole number", name, text)
	}
	return number
}

func newSoak(t *testing.T, seed int64) *soak {
	t.Helper()
	s := &soak{
		t: t, random: rand.New(rand.NewPCG(uint64(seed), 1)), faults: map[string]int{},
		push: scene.StartTarget(t, "push", "--interval", "1s", "--message", "ok"),
		echo: scene.StartTarget(t, "echo"), http: scene.StartTarget(t, "http"),
	}
	s.master = locust.Start(t, locust.Config{
		Executable: locust.Executables(t)[0], Locustfile: "../netfault/testdata/mixed.py", Web: true,
		Args: []string{
			"--tcp-hold-host", s.push.Address, "--tcp-echo-host", s.echo.Address,
			"--http-host", "http://" + s.http.Address, "--http-wait-min", "200ms", "--http-wait-max", "400ms",
		},
	})
	for i := range s.workers {
		s.ways[i] = relay.Start(t, s.master.Port())
		s.startWorker(i)
	}
	s.awaitReady()
	return s
}

func (s *soak) startWorker(i int) {
	s.t.Helper()
	s.workers[i] = scene.Start(s.t, "worker", "--master-port", strconv.Itoa(s.ways[i].Port()), "--loops", "1")
}

func (s *soak) awaitReady() {
	s.t.Helper()
	s.master.WaitFor(patience, "both workers to be ready", func(r locust.RequestsJSON) bool {
		return len(r.Workers) == len(s.workers) && r.CountWorkers("ready") == len(s.workers)
	})
}

// awaitBack waits until the master misses nobody, so that no fault begins
// while another is felt: without any worker left the master ends the test.
func (s *soak) awaitBack() {
	s.t.Helper()
	s.master.WaitFor(patience, "the workers to be back", func(r locust.RequestsJSON) bool {
		return len(r.Workers) == len(s.workers) && r.CountWorkers("missing") == 0
	})
}

// watchedTest is one test from Start to Stop, after which all books must agree.
func (s *soak) watchedTest(withFaults bool) {
	s.t.Helper()
	start := s.books()
	s.swarm()
	for range 3 + s.random.IntN(6) {
		time.Sleep(time.Duration(1000+s.random.IntN(3000)) * time.Millisecond)
		s.swarm()
		if !withFaults || s.random.IntN(3) == 0 {
			continue
		}
		if s.fault() {
			s.deadMaster(start)
			start = s.books()
			s.swarm()
		}
	}
	s.awaitBack()
	users := s.swarm()
	s.master.WaitFor(patience, "all users", func(r locust.RequestsJSON) bool { return r.State == "running" && r.UserCount == users })
	s.stop()
	s.compare(start)
}

// swarm changes the number of users, as a person does in the browser.
func (s *soak) swarm() (users int) {
	s.t.Helper()
	users = 10 + s.random.IntN(mostUsers)
	s.master.Swarm(users, spawnRate, nil)
	return users
}

// stop ends the test and waits until everybody is idle.
func (s *soak) stop() {
	s.t.Helper()
	s.master.Stop()
	s.awaitReady()
	s.awaitIdle()
}

func (s *soak) awaitIdle() {
	s.t.Helper()
	locust.Until(s.t, patience, "no open connection", func() bool {
		return s.push.Counters().Open+s.echo.Counters().Open+s.http.Counters().Open == 0
	})
}

// fault lets one thing go wrong, and tells whether the master lost its memory.
func (s *soak) fault() (forgot bool) {
	s.t.Helper()
	which := s.random.IntN(2)
	way := s.ways[which]
	seconds := func(least, most int) time.Duration {
		return time.Duration(1000*least+s.random.IntN(1000*(most-least))) * time.Millisecond
	}
	name := "none"
	switch s.random.IntN(11) {
	case 0, 1:
		name = "end of stream"
		way.Cut(false)
	case 2, 3:
		name = "reset"
		way.Cut(true)
	case 4, 5, 6:
		name = "blackhole"
		way.Blackhole(relay.ToMaster, relay.ToWorker)
		time.Sleep(seconds(2, 15))
		way.Heal()
	case 7, 8:
		name = "master frozen"
		s.master.Freeze()
		time.Sleep(seconds(1, 10))
		s.master.Thaw()
	case 9:
		name = "worker restarted"
		s.restartWorker()
	case 10:
		name = "master killed"
		s.master.Kill()
		time.Sleep(seconds(1, 5))
		s.master.Restart()
		forgot = true
	}
	s.faults[name]++
	if !forgot {
		// What the master says to a worker that is on its way back is lost, and
		// a worker that keeps to what it heard last is none of the faults here.
		time.Sleep(settleTime)
		s.awaitBack()
	}
	return forgot
}

func (s *soak) restartWorker() {
	s.t.Helper()
	s.workers[1].Signal(syscall.SIGTERM)
	if code := s.workers[1].Wait(patience); code != 0 {
		s.t.Errorf("a worker that was asked to leave ends with exit code %d", code)
	}
	s.left = append(s.left, s.workers[1])
	s.startWorker(1)
}

// deadMaster takes stock after a master was killed: what it had shown is gone,
// what the workers had not told it is said to be lost.
func (s *soak) deadMaster(start totals) {
	s.t.Helper()
	s.awaitReady()
	s.awaitIdle()
	sum := s.books().minus(start)
	if sum.own != sum.witnessed || sum.lost > sum.own {
		s.t.Errorf("after a master was killed: the targets answered %d, the workers counted %d, %d of them are said to be lost", sum.witnessed, sum.own, sum.lost)
	}
	s.t.Logf("a master was killed: the targets answered %d, the workers counted %d, lost %d, the rest died with it", sum.witnessed, sum.own, sum.lost)
}

// compare checks the books of a test that has ended.
func (s *soak) compare(start totals) {
	s.t.Helper()
	sum := s.books().minus(start)
	var off int64
	locust.Until(s.t, 15*time.Second, "the master's page to be up to date", func() bool {
		sum.shown = s.master.Requests().Total().NumRequests
		off = sum.shown + sum.lost - sum.own
		return off >= 0 && off <= sum.doubt
	})
	if sum.own != sum.witnessed {
		s.t.Errorf("the targets answered %d, the workers counted %d", sum.witnessed, sum.own)
	}
	s.tests++
	s.sums = s.sums.plus(sum)
	s.t.Logf("test %d: targets %d, workers %d, master %d, lost %d, in doubt %d, counted twice %d", s.tests, sum.witnessed, sum.own, sum.shown, sum.lost, sum.doubt, off)
}

// summary prints the figures and judges the sizes.
func (s *soak) summary(seed int64, first usage, looks []usage) {
	s.t.Helper()
	var table strings.Builder
	fmt.Fprintf(&table, "seed %d: %d tests in order, faults %v\n", seed, s.tests, s.faults)
	fmt.Fprintf(&table, "requests: targets %d, workers %d, masters %d, said to be lost %d, in doubt %d, counted twice %d\n",
		s.sums.witnessed, s.sums.own, s.sums.shown, s.sums.lost, s.sums.doubt, s.sums.shown+s.sums.lost-s.sums.own)
	fmt.Fprintf(&table, "%-28s %10s %10s %10s\n", "first worker, idle", "RSS KiB", "fds", "threads")
	fmt.Fprintf(&table, "%-28s %10d %10d %10d\n", "after the first test", first.rss, first.descriptors, first.threads)
	if len(looks) > 0 {
		middle, last := looks[len(looks)/2], looks[len(looks)-1]
		fmt.Fprintf(&table, "%-28s %10d %10d %10d\n", "at half time", middle.rss, middle.descriptors, middle.threads)
		fmt.Fprintf(&table, "%-28s %10d %10d %10d\n", "at the end", last.rss, last.descriptors, last.threads)
		s.judge(first, middle, last)
	}
	fresh := s.freshGoroutines()
	old := s.goroutines(s.workers[0])
	fmt.Fprintf(&table, "goroutines: %d in the first worker, %d in a fresh one\n", old, fresh)
	if old > fresh+moreGoroutines {
		s.t.Errorf("the first worker has %d goroutines, a fresh one %d", old, fresh)
	}
	s.t.Logf("the soak:\n%s", table.String())
}
