//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 2 * time.Minute
	leaveTimeout = 90 * time.Second
	// answerLimit bounds an answer over HTTP.
	answerLimit = 64 << 20
)

// process is one of the three parties.
type process struct {
	name    string
	command *exec.Cmd
	log     string
	ended   chan struct{} // closed when err is there
	err     error
}

// start starts a program in a process group of its own, so that a Ctrl-C at the
// terminal reaches the benchmark alone, which ends the others in order.
func start(name, folder, path string, arguments ...string) (*process, error) {
	log := filepath.Join(folder, name+".log")
	output, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	p := &process{name: name, command: exec.Command(path, arguments...), log: log, ended: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = output, output
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", name, err)
	}
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop ends the process, at last by force, and waits for it.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	// A process that has ended needs no signal.
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		if _, exited := errors.AsType[*exec.ExitError](p.err); exited { // the code says how the test went, not how it ended
			return nil
		}
		return p.err
	case <-time.After(leaveTimeout):
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
		<-p.ended
		return fmt.Errorf("the %s did not end in %v and was killed; see %s", p.name, leaveTimeout, p.log)
	}
}

func (p *process) pid() int { return p.command.Process.Pid }

// crew is the target, the master and the workers.
type crew struct {
	target, master, workers *process
	folder                  string
	http                    *http.Client
}

func newCrew(folder string) *crew {
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, MaxIdleConns: 4}
	return &crew{folder: folder, http: &http.Client{Transport: transport, Timeout: 3 * time.Minute}}
}

// launch starts all three and returns when the master has every worker.
func (c *crew) launch(ctx context.Context, o *options, p *plan) (err error) {
	if c.target, err = start("target", c.folder, o.binary, "target", "push",
		"--listen", p.listen(), "--processes", strconv.Itoa(p.Targets), "--divide-ports",
		"--interval", p.interval().String(), "--message", "ok", "--admin", strconv.Itoa(adminPort)); err != nil {
		return err
	}
	if err := c.await(ctx, c.target, func() bool { _, err := c.targetStats(ctx); return err == nil }); err != nil {
		return err
	}
	locustfile, err := filepath.Abs(o.locustfile)
	if err != nil {
		return err
	}
	if c.master, err = start("master", c.folder, o.locust, "-f", locustfile, "--master",
		"--master-bind-host", "127.0.0.1", "--master-bind-port", strconv.Itoa(masterPort),
		"--web-host", "127.0.0.1", "--web-port", strconv.Itoa(webPort),
		"--tcp-source-ips="+p.Sources, "--tcp-connects-in-flight", strconv.Itoa(o.inFlight), "--tcp-connect-timeout", "30s",
		"--host", p.listen(), "TcpHoldUser"); err != nil {
		return err
	}
	if err := c.await(ctx, c.master, func() bool { _, err := c.masterStats(ctx); return err == nil }); err != nil {
		return err
	}
	if c.workers, err = start("workers", c.folder, o.binary, "worker", "--master-host", "127.0.0.1", "--master-port", strconv.Itoa(masterPort),
		"--processes", strconv.Itoa(p.Workers), "--json-file", filepath.Join(c.folder, "own.json")); err != nil {
		return err
	}
	return c.await(ctx, c.workers, func() bool {
		stats, err := c.masterStats(ctx)
		return err == nil && stats.ready() == p.Workers
	})
}

// await polls until it holds, as long as the process is there.
func (c *crew) await(ctx context.Context, p *process, holds func() bool) error {
	deadline := time.Now().Add(startTimeout)
	for !holds() {
		if time.Now().After(deadline) {
			return fmt.Errorf("the %s is not ready after %v; see %s", p.name, startTimeout, p.log)
		}
		select {
		case <-p.ended:
			return fmt.Errorf("the %s has ended at once (%v); see %s", p.name, p.command.ProcessState, p.log)
		default:
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end stops all that was started; what they printed is kept if something failed.
func (c *crew) end() error {
	return errors.Join(c.workers.stop(), c.master.stop(), c.target.stop())
}

// targetStats are the target's books.
type targetStats struct {
	Accepted     int64 `json:"accepted"`
	Open         int64 `json:"open"`
	MessagesSent int64 `json:"messages_sent"`
	SlowSkipped  int64 `json:"slow_skipped"`
	AcceptErrors int64 `json:"accept_errors"`
	Errors       int64 `json:"errors"`
}

func (c *crew) targetStats(ctx context.Context) (stats targetStats, err error) {
	return stats, c.get(ctx, fmt.Sprintf("http://127.0.0.1:%d/stats", adminPort), &stats)
}

// masterStats is what the master's page polls. The master keeps its answer for
// two seconds and more.
type masterStats struct {
	State     string `json:"state"`
	UserCount int    `json:"user_count"`
	Workers   []struct {
		State     string  `json:"state"`
		UserCount int     `json:"user_count"`
		CPUUsage  float64 `json:"cpu_usage"`
	} `json:"workers"`
	Stats []struct {
		Method      string  `json:"method"`
		Name        string  `json:"name"`
		NumRequests int64   `json:"num_requests"`
		NumFailures int64   `json:"num_failures"`
		Median      float64 `json:"median_response_time"`
		Max         float64 `json:"max_response_time"`
	} `json:"stats"`
}

func (s masterStats) ready() int {
	count := 0
	for _, w := range s.Workers {
		if w.State == "ready" {
			count++
		}
	}
	return count
}

// row is the requests and failures of a line; "" and Aggregated name the sum.
func (s masterStats) row(method, name string) (requests, failures int64) {
	for _, r := range s.Stats {
		if r.Method == method && r.Name == name {
			return r.NumRequests, r.NumFailures
		}
	}
	return 0, 0
}

func (c *crew) masterStats(ctx context.Context) (stats masterStats, err error) {
	return stats, c.get(ctx, fmt.Sprintf("http://127.0.0.1:%d/stats/requests", webPort), &stats)
}

func (c *crew) get(ctx context.Context, address string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	return c.answer(request, into)
}

func (c *crew) answer(request *http.Request, into any) error {
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %s: %.200s", request.URL, response.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: %w", request.URL, err)
	}
	return nil
}

// swarm starts the test as the Start button does.
func (c *crew) swarm(ctx context.Context, p *plan) error {
	form := url.Values{
		"user_count": {strconv.Itoa(p.N)}, "spawn_rate": {strconv.FormatFloat(p.Rate, 'f', -1, 64)},
		"host": {p.listen()},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/swarm", webPort), strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		Success bool   `json:"success"`
		Message string `json:"message"`
	}
	if err := c.answer(request, &answer); err != nil {
		return err
	}
	if !answer.Success {
		return fmt.Errorf("the master did not start the test: %s", answer.Message)
	}
	return nil
}

// stopTest stops the test as the Stop button does and returns when the master
// has it stopped.
func (c *crew) stopTest(ctx context.Context) error {
	var answer struct {
		Success bool `json:"success"`
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/stop", webPort), http.NoBody)
	if err != nil {
		return err
	}
	if err := c.answer(request, &answer); err != nil {
		return err
	}
	if !answer.Success {
		return errors.New("the master did not stop the test")
	}
	return nil
}

// ownSums adds up what the workers wrote of themselves.
type ownSums struct{ connects, connectFailures, receives, receiveFailures int64 }

func (c *crew) ownSums(count int) (sums ownSums, err error) {
	files, err := filepath.Glob(filepath.Join(c.folder, "own*.json"))
	if err != nil {
		return sums, err
	}
	if len(files) != count {
		return sums, fmt.Errorf("%d of %d workers have written their own sums", len(files), count)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return sums, err
		}
		var own struct {
			Requests []struct {
				Name            string
				Count, Failures int64
			}
		}
		if err := json.Unmarshal(data, &own); err != nil {
			return sums, fmt.Errorf("%s: %w", file, err)
		}
		for _, r := range own.Requests {
			switch r.Name {
			case "connect":
				sums.connects += r.Count
				sums.connectFailures += r.Failures
			case "recv":
				sums.receives += r.Count
				sums.receiveFailures += r.Failures
			}
		}
	}
	return sums, nil
}
