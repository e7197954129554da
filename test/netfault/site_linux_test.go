package netfault

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"upsurge/test/locust"
	"upsurge/test/scene"
)

const (
	workerPort, webPort = 5557, 8089

	// users is how many a test has: enough for books to be worth comparing.
	users = 300
)

// site is a test under way in a lab: a master, a worker that the fault hits,
// and one beside the master, which nothing hits: without any worker left a
// master ends its test.
type site struct {
	*lab
	master           *locust.Master
	hit, steady      *scene.Process
	push, echo, http *scene.Target
}

// eachSite runs the test with every Locust, all at the same time.
func eachSite(t *testing.T, test func(t *testing.T, s *site)) {
	t.Parallel()
	locust.Each(t, func(t *testing.T, executable string) {
		t.Parallel()
		test(t, newSite(t, executable))
	})
}

func newSite(t *testing.T, executable string) *site {
	t.Helper()
	s := &site{lab: newLab(t)}
	s.push = s.target("push", 9000, "--interval", "1s", "--message", "ok")
	s.echo = s.target("echo", 9001)
	s.http = s.target("http", 9002)
	s.master = locust.Start(t, locust.Config{
		Executable: executable, Locustfile: "testdata/mixed.py", Web: true,
		Host: s.address("master", 2), Port: workerPort, WebPort: webPort, Wrap: s.on("master"),
		Args: []string{
			"--tcp-hold-host", s.push.Address, "--tcp-echo-host", s.echo.Address,
			"--http-host", "http://" + s.http.Address, "--http-wait-min", "50ms", "--http-wait-max", "100ms",
		},
	})
	return s
}

func (s *site) target(kind string, port int, arguments ...string) *scene.Target {
	s.t.Helper()
	address := s.address("target", 2)
	listen, admin := address+":"+strconv.Itoa(port), address+":"+strconv.Itoa(port+100)
	command := slices.Concat(s.on("target"), []string{scene.Binary(s.t), "target", kind, "--listen", listen, "--admin", admin}, arguments)
	target := &scene.Target{Process: s.start(command), Address: listen, Admin: admin}
	target.WaitOutput("admin on")
	return target
}

func (s *site) start(command []string) *scene.Process {
	s.t.Helper()
	return scene.StartCommand(s.t, exec.Command(command[0], command[1:]...))
}

func (s *site) worker(host, master string) *scene.Process {
	s.t.Helper()
	return s.start(slices.Concat(s.on(host), []string{scene.Binary(s.t), "worker", "--master-host", master, "--loops", "1", "-L", "DEBUG"}))
}

// join starts both workers, as they reach the master, and waits for them.
func (s *site) join(master string) {
	s.t.Helper()
	s.hit = s.worker("worker", master)
	s.steady = s.worker("master", s.address("master", 2))
	s.awaitReady(2)
}

func (s *site) awaitReady(count int) {
	s.t.Helper()
	s.master.WaitFor(30*time.Second, strconv.Itoa(count)+" ready workers", func(r locust.RequestsJSON) bool {
		return r.CountWorkers("ready") == count
	})
}

// swarm starts a test and waits for its users.
func (s *site) swarm() {
	s.t.Helper()
	s.master.Swarm(users, users, nil)
	s.awaitUsers(users)
}

func (s *site) awaitUsers(count int) {
	s.t.Helper()
	s.master.WaitFor(40*time.Second, strconv.Itoa(count)+" users", func(r locust.RequestsJSON) bool {
		return r.State == "running" && r.UserCount == count
	})
}

// witnessed is what the targets have answered.
func (s *site) witnessed() int64 {
	s.t.Helper()
	push, echo, http := s.push.Counters(), s.echo.Counters(), s.http.Counters()
	return push.Accepted + push.MessagesSent + echo.Accepted + echo.MessagesSent + http.Requests
}

// workersNow is what the master knows of its workers at this moment.
func (s *site) workersNow() []locust.WorkerRow {
	s.t.Helper()
	status, body := s.master.Get("/workers-now")
	var rows []locust.WorkerRow
	if err := json.Unmarshal(body, &rows); err != nil || status != http.StatusOK {
		s.t.Fatalf("/workers-now: status %d, %v: %s", status, err, body)
	}
	return rows
}

// rejoined waits until the master counts workers in, none of them missing, and
// says how long that took.
func (s *site) rejoined(since time.Time, count int) time.Duration {
	s.t.Helper()
	locust.Until(s.t, 90*time.Second, "the worker to be back", func() bool {
		rows := s.workersNow()
		return len(rows) == count && !slices.ContainsFunc(rows, func(row locust.WorkerRow) bool { return row.State == "missing" })
	})
	return time.Since(since)
}

var (
	endedLine = regexp.MustCompile(`msg="test ended" requests=(\d+)`)
	lostLine  = regexp.MustCompile(`msg="the master will not see [^"]*" requests=(\d+)`)
	doubtLine = regexp.MustCompile(`msg="[^"]*may be counted twice[^"]*" requests=(\d+)`)
)

// logged adds up the numbers of matching lines in the worker's log.
func logged(p *scene.Process, line *regexp.Regexp) int64 {
	var sum int64
	for _, match := range line.FindAllStringSubmatch(p.Output.String(), -1) {
		number, _ := strconv.ParseInt(match[1], 10, 64)
		sum += number
	}
	return sum
}

// books compares what everybody counted, once all tests are over and the
// workers and the master have left: what the targets answered, the workers
// counted, and what the workers counted, the master has, but for what they
// said is lost. total is what masters have shown; restarted ones show a part.
func (s *site) books(workers []*scene.Process, total func() int64) (lost int64) {
	s.t.Helper()
	for _, worker := range workers {
		worker.Signal(15)
		worker.Wait(20 * time.Second)
	}
	s.master.Terminate()
	var own, doubt int64
	for _, worker := range workers {
		own += logged(worker, endedLine)
		lost += logged(worker, lostLine)
		doubt += logged(worker, doubtLine)
	}
	shown, witnessed := total(), s.witnessed()
	s.t.Logf("the books: targets %d, workers %d, master %d, said to be lost %d, in doubt %d", witnessed, own, shown, lost, doubt)
	if own != witnessed {
		s.t.Errorf("the workers counted %d, the targets %d", own, witnessed)
	}
	if shown+lost != own {
		s.t.Errorf("the master has %d and %d are said to be lost, the workers counted %d: a difference of %d", shown, lost, own, shown+lost-own)
	}
	if own == 0 {
		s.t.Error("nothing was counted")
	}
	return lost
}

// final is the total of a master that lived through the whole test.
func (s *site) final() int64 { return s.master.Totals().Total.NumRequests }

// both are the two workers.
func (s *site) both() []*scene.Process { return []*scene.Process{s.hit, s.steady} }

// ratesFor lets a fault last and returns the targets' rate in each fifth of it,
// which must never fall to less than half of the first: load goes on while the
// master is away.
func (s *site) ratesFor(length time.Duration) []int64 {
	s.t.Helper()
	const parts = 5
	var rates []int64
	last, since := s.witnessed(), time.Now()
	for range parts {
		time.Sleep(length / parts)
		now, elapsed := s.witnessed(), time.Since(since)
		rates = append(rates, int64(float64(now-last)/elapsed.Seconds()))
		last, since = now, time.Now()
	}
	if slices.Min(rates) < rates[0]/2 {
		s.t.Errorf("the load fell while the master was away: %v requests a second", rates)
	}
	return rates
}

// obeys checks that both workers do what the master says: all users of a
// smaller test, and of a larger one, are there.
func (s *site) obeys() {
	s.t.Helper()
	for _, count := range []int{users / 2, users} {
		s.master.Swarm(count, users, nil)
		s.awaitUsers(count)
	}
	s.master.WaitFor(20*time.Second, "both workers at work", func(r locust.RequestsJSON) bool {
		return len(r.Workers) == 2 && r.Workers[0].UserCount > 0 && r.Workers[1].UserCount > 0
	})
	s.master.Stop()
	s.awaitReady(2)
	locust.Until(s.t, 10*time.Second, "no open connection", func() bool {
		return s.push.Counters().Open+s.echo.Counters().Open+s.http.Counters().Open == 0
	})
}

// waitLines waits until a worker has said something that many times.
func (s *site) waitLines(p *scene.Process, text string, count int) {
	s.t.Helper()
	locust.Until(s.t, 30*time.Second, "the worker to say "+text, func() bool {
		return strings.Count(p.Output.String(), text) >= count
	})
}
