package soak

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"upsurge/test/scene"
)

// totals are numbers of requests, as each side has them.
type totals struct {
	witnessed int64 // answered by the targets
	own       int64 // counted by the workers
	lost      int64 // of those: never told to a master, as the workers say
	doubt     int64 // of those: sent twice, because the first time was not confirmed
	shown     int64 // by the master
}

func (a totals) minus(b totals) totals {
	return totals{a.witnessed - b.witnessed, a.own - b.own, a.lost - b.lost, a.doubt - b.doubt, a.shown - b.shown}
}

func (a totals) plus(b totals) totals {
	return totals{a.witnessed + b.witnessed, a.own + b.own, a.lost + b.lost, a.doubt + b.doubt, a.shown + b.shown}
}

var (
	endedLine = regexp.MustCompile(`msg="test ended" requests=(\d+)`)
	lostLine  = regexp.MustCompile(`msg="the master will not see [^"]*" requests=(\d+)`)
	doubtLine = regexp.MustCompile(`msg="[^"]*may be counted twice[^"]*" requests=(\d+)`)
)

// logged adds up the numbers of matching lines in a worker's log.
func logged(worker *scene.Process, line *regexp.Regexp) int64 {
	var sum int64
	for _, match := range line.FindAllStringSubmatch(worker.Output.String(), -1) {
		number, _ := strconv.ParseInt(match[1], 10, 64) // the pattern takes digits alone
		sum += number
	}
	return sum
}

// books are everybody's sums since the beginning, between two tests.
func (s *soak) books() totals {
	s.t.Helper()
	push, echo, http := s.push.Counters(), s.echo.Counters(), s.http.Counters()
	sum := totals{witnessed: push.Accepted + push.MessagesSent + echo.Accepted + echo.MessagesSent + http.Requests}
	for _, worker := range append(s.left, s.workers[:]...) {
		sum.own += logged(worker, endedLine)
		sum.lost += logged(worker, lostLine)
		sum.doubt += logged(worker, doubtLine)
	}
	return sum
}

// usage is what a worker takes of the system.
type usage struct {
	rss, descriptors, threads int // rss in KiB
}

// look measures the first worker.
func (s *soak) look() usage {
	s.t.Helper()
	folder := fmt.Sprintf("/proc/%d/", s.workers[0].Command.Process.Pid)
	status, err := os.ReadFile(folder + "status")
	if err != nil {
		s.t.Fatal(err)
	}
	descriptors, err := os.ReadDir(folder + "fd")
	if err != nil {
		s.t.Fatal(err)
	}
	u := usage{descriptors: len(descriptors)}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) < 2:
		case fields[0] == "VmRSS:":
			u.rss, _ = strconv.Atoi(fields[1])
		case fields[0] == "Threads:":
			u.threads, _ = strconv.Atoi(fields[1])
		}
	}
	if u.rss == 0 || u.threads == 0 {
		s.t.Fatalf("no figures in %sstatus: %s", folder, status)
	}
	return u
}

const (
	// moreDescriptors and moreThreads leave room for a look in the middle of a
	// reconnect. Memory comes in the steps of Go's collector.
	moreDescriptors = 3
	moreThreads     = 6
	moreRSS         = 24 << 10
	// moreGoroutines is what the runtime and the classes of a test that has
	// ended may keep; a leak would add some with each of many tests.
	moreGoroutines = 4
)

// judge fails the test if the first worker has grown.
func (s *soak) judge(first, middle, last usage) {
	s.t.Helper()
	if last.descriptors > first.descriptors+moreDescriptors {
		s.t.Errorf("%d descriptors at the end, %d at the beginning", last.descriptors, first.descriptors)
	}
	if last.threads > first.threads+moreThreads {
		s.t.Errorf("%d threads at the end, %d at the beginning", last.threads, first.threads)
	}
	if last.rss > middle.rss+moreRSS {
		s.t.Errorf("%d KiB at the end, %d KiB at half time", last.rss, middle.rss)
	}
}

var goroutineLine = regexp.MustCompile(`(?m)^goroutine \d+ `)

// goroutines ends a worker with a dump of its stacks and counts them.
func (s *soak) goroutines(worker *scene.Process) int {
	s.t.Helper()
	before := len(worker.Output.String())
	worker.Signal(syscall.SIGQUIT)
	worker.Wait(patience)
	dump := worker.Output.String()[before:]
	count := len(goroutineLine.FindAllString(dump, -1))
	if count == 0 {
		s.t.Errorf("no goroutine in the dump: %s", dump)
	}
	return count
}

// freshGoroutines is the number in a worker that has just joined.
func (s *soak) freshGoroutines() int {
	s.t.Helper()
	fresh := scene.Start(s.t, "worker", "--master-port", strconv.Itoa(s.master.Port()), "--loops", "1")
	fresh.WaitOutput("connected to the master")
	time.Sleep(time.Second)
	return s.goroutines(fresh)
}
