package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// measurement is one run of one generator.
type measurement struct {
	CPUMicros float64 `json:"cpu_us_per_request"`
	Rate      float64 `json:"requests_per_second"`
	Requests  int64   `json:"requests"`
}

// generator is one of those that are compared.
type generator struct {
	name    string
	command func(s settings, connections int, result string) []string
	// requests takes their number from what the generator has written.
	requests func(output []byte, result string) (int64, error)
}

// generators: the first is what the others are held against.
var generators = []generator{
	{name: "wrk", command: wrkCommand, requests: wrkRequests},
	{name: "engine", command: upsurgeCommand("engine"), requests: upsurgeRequests},
	{name: "fasthttp", command: upsurgeCommand("fasthttp"), requests: upsurgeRequests},
}

func wrkCommand(s settings, connections int, _ string) []string {
	return []string{
		s.wrk, "-t1", "-c" + strconv.Itoa(connections), "-d" + strconv.Itoa(int(s.duration.Seconds())) + "s",
		"--latency", "http://" + s.address + s.path,
	}
}

var (
	wrkCount  = regexp.MustCompile(`(?m)^\s+(\d+) requests in`)
	wrkFaults = regexp.MustCompile(`(?m)^\s+(Socket errors:|Non-2xx).*$`)
)

func wrkRequests(output []byte, _ string) (int64, error) {
	if fault := wrkFaults.Find(output); fault != nil {
		return 0, fmt.Errorf("wrk reports %q", bytes.TrimSpace(fault))
	}
	found := wrkCount.FindSubmatch(output)
	if found == nil {
		return 0, fmt.Errorf("wrk wrote no number of requests: %q", output)
	}
	return strconv.ParseInt(string(found[1]), 10, 64)
}

func upsurgeCommand(client string) func(settings, int, string) []string {
	return func(s settings, connections int, result string) []string {
		n := strconv.Itoa(connections)
		return []string{
			s.upsurge, "run", "HttpQpsUser", "-H", "http://" + s.address, "--http-path", s.path, "--http-client", client,
			"-u", n, "-r", "100000", // all at once, as wrk does
			"-t", s.duration.String(), "--loops", "1", "--quiet", "--json-file", result,
		}
	}
}

func upsurgeRequests(_ []byte, result string) (int64, error) {
	text, err := os.ReadFile(result)
	if err != nil {
		return 0, err
	}
	var r struct {
		Total struct{ Count, Failures int64 }
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return 0, err
	}
	if r.Total.Failures > 0 {
		return 0, fmt.Errorf("%d requests failed", r.Total.Failures)
	}
	return r.Total.Count, nil
}

// measure runs the generator once on its core.
func measure(ctx context.Context, s settings, g generator, connections int) (measurement, error) {
	directory, err := os.MkdirTemp("", "bench-http")
	if err != nil {
		return measurement{}, err
	}
	defer func() { _ = os.RemoveAll(directory) }()
	result := filepath.Join(directory, "result.json")
	command := pinned(ctx, s.clientCPU, g.command(s, connections, result))
	output, err := command.CombinedOutput()
	if err != nil {
		return measurement{}, fmt.Errorf("%w: %s", err, output)
	}
	count, err := g.requests(output, result)
	if err != nil {
		return measurement{}, err
	}
	if count == 0 {
		return measurement{}, errors.New("no request was answered")
	}
	used := command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	return measurement{
		CPUMicros: float64(used.Nanoseconds()) / 1e3 / float64(count),
		Rate:      float64(count) / s.duration.Seconds(),
		Requests:  count,
	}, nil
}

// pinned is a command on one core.
func pinned(ctx context.Context, core int, command []string) *exec.Cmd {
	return exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(core)}, command...)...) //nolint:gosec // a benchmark's own commands
}

// startTarget starts the server on its core and waits until it listens.
func startTarget(ctx context.Context, s settings) (end func(), err error) {
	command := pinned(ctx, s.serverCPU, []string{s.upsurge, "target", "http", "--listen", s.address})
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		return nil, err
	}
	end = func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
	}
	for range 100 {
		dialer := net.Dialer{Timeout: time.Second}
		conn, err := dialer.DialContext(ctx, "tcp", s.address)
		if err == nil {
			return end, conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	end()
	return nil, fmt.Errorf("the server does not listen at %s", s.address)
}
