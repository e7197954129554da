//go:build linux

package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	// workerBytesLimit and totalLimit are what is promised: of user space for a
	// connection in the worker, and of memory for a million connections.
	workerBytesLimit = 256
	totalLimit       = 8e9
	totalLimitFor    = 1_000_000
)

// result is everything that a run has measured.
type result struct {
	Schema string      `json:"schema"`
	Time   string      `json:"time"`
	Host   *host       `json:"host"`
	Plan   *plan       `json:"plan"`
	Ramp   rampFigures `json:"ramp"`
	Empty  memory      `json:"memory_before_all"`
	Before snapshot    `json:"at_0"`
	AtN    snapshot    `json:"at_n"`
	After  snapshot    `json:"after_stop"`

	OnTarget        int64 `json:"established_on_target"`
	OnWorkers       int64 `json:"established_on_workers"`
	OnMaster        int64 `json:"users_on_master"`
	Failures        int64 `json:"failures"`
	Sent            int64 `json:"messages_sent"`
	Received        int64 `json:"messages_received"`
	ReceiveFailures int64 `json:"messages_wrong"`
	OneEach         bool  `json:"one_message_each"`

	StopMasterSeconds float64 `json:"stop_answered_s"`
	StopSeconds       float64 `json:"stop_s"`
	LeftOpen          int64   `json:"sockets_left"`
	LeftTimeWait      int     `json:"time_wait_after_stop"`
	LeftAtLast        int     `json:"time_wait_at_last"`
	Books             books   `json:"books"`
	Figures           figures `json:"figures"`
	Checks            []check `json:"checks"`
}

// books are the sums of each side after the stop.
type books struct {
	TargetConnects int64 `json:"target_connects"`
	WorkerConnects int64 `json:"worker_connects"`
	MasterConnects int64 `json:"master_connects"`
	TargetSent     int64 `json:"target_messages"`
	WorkerReceives int64 `json:"worker_messages"`
	MasterReceives int64 `json:"master_messages"`
}

// figures follow from the rest.
type figures struct {
	WorkerBytes  float64 `json:"worker_bytes_per_connection"`
	TargetBytes  float64 `json:"target_bytes_per_connection"`
	KernelBytes  float64 `json:"kernel_bytes_per_socket"`
	TotalBytes   int64   `json:"total_bytes"`
	HostBytes    int64   `json:"host_bytes"` // the same as the host sees it, with all else that ran there
	UserBytes    int64   `json:"user_space_bytes"`
	KernelTotal  int64   `json:"kernel_bytes"`
	MasterBytes  int64   `json:"master_bytes"`
	WorkerCPU    float64 `json:"worker_cpu_s"`
	TargetCPU    float64 `json:"target_cpu_s"`
	MasterCPU    float64 `json:"master_cpu_s"`
	MasterInRamp float64 `json:"master_cpu_percent_in_ramp"`
}

// check is one thing that was promised.
type check struct {
	What string `json:"what"`
	Got  string `json:"got"`
	Want string `json:"want"`
	OK   bool   `json:"ok"`
}

func newResult(b *bench) result {
	return result{Schema: "upsurge/bench/connections/v1", Time: b.began.UTC().Format(time.RFC3339), Host: b.host, Plan: b.plan}
}

// Failed says that something promised was not reached.
func (r *result) Failed() bool {
	r.judge()
	for _, c := range r.Checks {
		if !c.OK {
			return true
		}
	}
	return false
}

// judge computes what follows from the measurements.
func (r *result) judge() {
	n := float64(r.Plan.N)
	f := &r.Figures
	f.WorkerBytes = float64(r.AtN.Workers.Private-r.Before.Workers.Private) / n
	f.TargetBytes = float64(r.AtN.Target.Private-r.Before.Target.Private) / n
	f.KernelTotal = r.AtN.Memory.kernel() - r.Empty.kernel()
	f.KernelBytes = float64(r.AtN.Memory.kernel()-r.Before.Memory.kernel()) / (2 * n)
	f.HostBytes = r.AtN.Memory.Used - r.Empty.Used
	f.UserBytes = r.AtN.Workers.Private + r.AtN.Target.Private + r.AtN.Master.Private
	f.MasterBytes = r.AtN.Master.Private
	f.TotalBytes = f.UserBytes + f.KernelTotal
	f.WorkerCPU = r.After.Workers.CPUSeconds - r.Before.Workers.CPUSeconds
	f.TargetCPU = r.After.Target.CPUSeconds - r.Before.Target.CPUSeconds
	f.MasterCPU = r.After.Master.CPUSeconds - r.Before.Master.CPUSeconds
	f.MasterInRamp = r.Ramp.MasterCPUPercent

	wanted := int64(r.Plan.N)
	r.Checks = nil
	r.expect("established on target, workers, master", fmt.Sprintf("%d, %d, %d", r.OnTarget, r.OnWorkers, r.OnMaster), fmt.Sprintf("%d each", wanted),
		r.OnTarget == wanted && r.OnWorkers == wanted && r.OnMaster == wanted)
	r.expect("failures", strconv.FormatInt(r.Failures, 10), "0", r.Failures == 0)
	r.expect("every connection has received and checked its message", fmt.Sprintf("%d sent, %d checked", r.Sent, r.Received-r.ReceiveFailures), fmt.Sprintf("%d, one each", wanted),
		r.OneEach && r.Received == wanted && r.ReceiveFailures == 0)
	r.expect("books: connects on target, workers, master", fmt.Sprintf("%d, %d, %d", r.Books.TargetConnects, r.Books.WorkerConnects, r.Books.MasterConnects), "equal",
		r.Books.TargetConnects == r.Books.WorkerConnects && r.Books.WorkerConnects == r.Books.MasterConnects && r.Books.MasterConnects >= wanted)
	r.expect("books: messages of target, workers, master", fmt.Sprintf("%d, %d, %d", r.Books.TargetSent, r.Books.WorkerReceives, r.Books.MasterReceives), "equal",
		r.Books.TargetSent == r.Books.WorkerReceives && r.Books.WorkerReceives == r.Books.MasterReceives)
	r.expect("worker's user space per connection", fmt.Sprintf("%.0f bytes", f.WorkerBytes), fmt.Sprintf("at most %d", workerBytesLimit), f.WorkerBytes <= workerBytesLimit)
	if r.Plan.N == totalLimitFor {
		r.expect("memory of all", fmt.Sprintf("%.2f GB", gigabytes(f.TotalBytes)), fmt.Sprintf("at most %.0f GB", gigabytes(totalLimit)), f.TotalBytes <= totalLimit)
	}
	r.expect("sockets left after stop", strconv.FormatInt(r.LeftOpen, 10), "0", r.LeftOpen == 0)
	r.expect("TIME_WAIT left in the end", strconv.Itoa(r.LeftAtLast), "0", r.LeftAtLast == 0)
}

func (r *result) expect(what, got, want string, ok bool) {
	r.Checks = append(r.Checks, check{What: what, Got: got, Want: want, OK: ok})
}

// line is a row of the table and a column of the CSV.
type line struct{ name, column, value, unit string }

func (r *result) lines() []line {
	f := r.Figures
	number := func(v int64) string { return strconv.FormatInt(v, 10) }
	decimals := func(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	return []line{
		{"connections wanted", "n", strconv.Itoa(r.Plan.N), ""},
		{"established on the target", "on_target", number(r.OnTarget), ""},
		{"established on the workers", "on_workers", number(r.OnWorkers), ""},
		{"users on the master", "on_master", number(r.OnMaster), ""},
		{"failures", "failures", number(r.Failures), ""},
		{"messages received and checked", "messages", number(r.Received - r.ReceiveFailures), ""},
		{"ramp", "ramp_s", decimals(r.Ramp.Seconds, 1), "s"},
		{"asked rate", "rate", decimals(r.Plan.Rate, 0), "/s"},
		{"worst second's deviation", "worst_second_percent", decimals(r.Ramp.WorstPercent, 1), "% (second " + strconv.Itoa(r.Ramp.WorstSecond) + ")"},
		{"worker user space per connection", "worker_bytes", decimals(f.WorkerBytes, 0), "bytes"},
		{"target user space per connection", "target_bytes", decimals(f.TargetBytes, 0), "bytes"},
		{"kernel per socket", "kernel_bytes", decimals(f.KernelBytes, 0), "bytes"},
		{"memory: workers", "workers_mb", decimals(float64(r.AtN.Workers.Private)/1e6, 0), "MB in " + strconv.Itoa(r.Plan.Workers) + " processes"},
		{"memory: target", "target_mb", decimals(float64(r.AtN.Target.Private)/1e6, 0), "MB in " + strconv.Itoa(r.Plan.Targets) + " processes"},
		{"memory: master", "master_mb", decimals(float64(f.MasterBytes)/1e6, 0), "MB"},
		{"memory: kernel", "kernel_mb", decimals(float64(f.KernelTotal)/1e6, 0), "MB"},
		{"memory: all of these", "total_mb", decimals(float64(f.TotalBytes)/1e6, 0), "MB"},
		{"memory: the host's own sum", "host_mb", decimals(float64(f.HostBytes)/1e6, 0), "MB, with all else that ran meanwhile"},
		{"CPU: workers", "workers_cpu_s", decimals(f.WorkerCPU, 1), "s"},
		{"CPU: target", "target_cpu_s", decimals(f.TargetCPU, 1), "s"},
		{"CPU: master", "master_cpu_s", decimals(f.MasterCPU, 1), "s"},
		{"CPU: master during the ramp", "master_ramp_percent", decimals(f.MasterInRamp, 0), "% of a core"},
		{"stop: the master's answer", "stop_answer_s", decimals(r.StopMasterSeconds, 1), "s"},
		{"stop: all sockets closed", "stop_s", decimals(r.StopSeconds, 1), "s"},
		{"sockets left", "sockets_left", number(r.LeftOpen), ""},
		{"in TIME_WAIT after the stop", "time_wait", strconv.Itoa(r.LeftTimeWait), ""},
		{"in TIME_WAIT a minute later", "time_wait_at_last", strconv.Itoa(r.LeftAtLast), ""},
	}
}

func (r *result) print(out io.Writer) {
	r.judge()
	fmt.Fprintf(out, "\n%s, %d cores, %.1f GB, Linux %s\n\n", r.Host.CPU, r.Host.Cores, gigabytes(r.Host.MemoryBytes), r.Host.Kernel)
	for _, l := range r.lines() {
		fmt.Fprintf(out, "%-36s %12s %s\n", l.name, l.value, l.unit)
	}
	fmt.Fprintln(out)
	for _, c := range r.Checks {
		verdict := "ok    "
		if !c.OK {
			verdict = "MISSED"
		}
		fmt.Fprintf(out, "%s  %s: %s (want %s)\n", verdict, c.What, c.Got, c.Want)
	}
}

// write writes connections-N.json and connections-N.csv.
func (r *result) write(folder string) error {
	r.judge()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	base := filepath.Join(folder, "connections-"+strconv.Itoa(r.Plan.N))
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(base+".json", append(data, '\n'), 0o644); err != nil {
		return err
	}
	file, err := os.Create(base + ".csv")
	if err != nil {
		return err
	}
	table := csv.NewWriter(file)
	names, values := []string{"time", "kernel", "cores"}, []string{r.Time, r.Host.Kernel, strconv.Itoa(r.Host.Cores)}
	for _, l := range r.lines() {
		names, values = append(names, l.column), append(values, l.value)
	}
	if err := table.WriteAll([][]string{names, values}); err != nil {
		_ = file.Close() // the first error says what matters
		return err
	}
	return file.Close()
}
