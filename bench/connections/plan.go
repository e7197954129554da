//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"time"
)

const (
	// spareDescriptors are those that a process needs for other things, and
	// room for shares that are not quite equal.
	spareDescriptors = 400
	// processBytes is what a process of the target or the worker takes
	// without connections; masterBytes what the master takes, which keeps a
	// list of its users; reserveBytes is left for the rest of the host.
	processBytes = 8 << 20
	masterBytes  = 150 << 20
	masterPerN   = 200
	reserveBytes = 1 << 30
	// userBytes is what a connection takes in the worker and the target.
	userBytes = 256 + 256
	// firstTargetPort begins the target's ports, below those that the kernel
	// gives to connections.
	firstTargetPort = 20000
	masterPort      = 19557
	webPort         = 19089
	adminPort       = 19090
	// pushMargin is the time between the end of the ramp and the first push.
	pushMargin = 25 * time.Second
)

// plan is how N connections are held on this machine.
type plan struct {
	N           int     `json:"n"`
	Rate        float64 `json:"rate"`
	Workers     int     `json:"worker_processes"`
	Targets     int     `json:"target_processes"`
	Ports       int     `json:"target_ports"`
	Sources     string  `json:"source_ips"`
	IntervalS   float64 `json:"push_interval_s"`
	MemoryBytes int64   `json:"memory_expected_bytes"`
	FitsN       int     `json:"largest_n"`
	FitsWhy     string  `json:"largest_n_bound_by"`
}

// newPlan refuses what cannot fit, with the largest number that does.
func newPlan(o *options, h *host) (*plan, error) {
	perProcess := h.Descriptors - spareDescriptors
	if perProcess < 1 {
		return nil, fmt.Errorf("a process may open %d descriptors; this needs more than %d: raise ulimit -n", h.Descriptors, spareDescriptors)
	}
	processes := (o.n + perProcess - 1) / perProcess
	ramp := time.Duration(float64(o.n) / o.rate * float64(time.Second))
	p := &plan{
		N: o.n, Rate: o.rate, Workers: max(processes, min(h.Cores, o.n)), Targets: processes,
		Ports: o.targetPorts, Sources: o.sources,
		// Twice the ramp: the second round of pushes must not begin before the
		// first, which takes as long as the ramp, and the stop are over.
		IntervalS: (2*ramp + pushMargin).Round(time.Second).Seconds(),
	}
	ports := h.LastPort - h.FirstPort + 1
	if p.Ports == 0 {
		// A third of the ports at most towards each target port: beyond a half
		// the kernel's search for a free one takes many times as long.
		p.Ports = o.n/(ports/3) + 1
	}
	// Each target process has as many ports as the others, of its own: the
	// kernel's spreading of shared ones is too uneven for the descriptors.
	p.Ports = (p.Ports + p.Targets - 1) / p.Targets * p.Targets
	p.MemoryBytes = memoryNeeded(o.n, perProcess, h.SocketBytes)
	p.FitsN, p.FitsWhy = largest(h, perProcess, p.Ports, o)
	if o.n > p.FitsN {
		return p, fmt.Errorf("%d connections do not fit on this machine; the largest number that does is %d: %s", o.n, p.FitsN, p.FitsWhy)
	}
	return p, nil
}

// memoryNeeded is for both ends of n connections and what holds them.
func memoryNeeded(n, perProcess int, socket float64) int64 {
	processes := (n + perProcess - 1) / perProcess
	return int64(float64(n)*(2*socket+userBytes+masterPerN)) + int64(2*processes)*processBytes + masterBytes
}

// largest is the largest number of connections that fits, and what bounds it.
func largest(h *host, perProcess, targetPorts int, o *options) (n int, why string) {
	budget := h.Available - reserveBytes - masterBytes
	each := 2*h.SocketBytes + userBytes + masterPerN + 2*processBytes/float64(perProcess)
	n = max(int(float64(budget)/each), 0)
	why = fmt.Sprintf("memory: (%.1f GB available - %.1f GB for the rest of the host and the master) / %.0f bytes a connection (two sockets of %.0f in the kernel, worker and target %d, the master %d, processes %.0f)",
		gigabytes(h.Available), gigabytes(reserveBytes+masterBytes), each, h.SocketBytes, userBytes, masterPerN, 2*processBytes/float64(perProcess))
	if o.sources == "" && o.targetPorts > 0 { // otherwise there are as many target ports as it takes
		ports := h.LastPort - h.FirstPort + 1
		if room := ports * targetPorts; room < n {
			n, why = room, fmt.Sprintf("local ports: 1 source address × %d ports × %d target ports; use -target-ports or -source-ips", ports, targetPorts)
		}
	}
	if room := 1024 * perProcess; room < n {
		n, why = room, fmt.Sprintf("descriptors: %d a process × 1024 processes", perProcess)
	}
	return n, why
}

func gigabytes(bytes int64) float64 { return float64(bytes) / 1e9 }

// listen is the address for the target, hosts the same for the workers.
func (p *plan) listen() string {
	if p.Ports == 1 {
		return fmt.Sprintf("127.0.0.1:%d", firstTargetPort)
	}
	return fmt.Sprintf("127.0.0.1:%d-%d", firstTargetPort, firstTargetPort+p.Ports-1)
}

func (p *plan) interval() time.Duration { return time.Duration(p.IntervalS * float64(time.Second)) }

// ramp is how long it should take.
func (p *plan) ramp() time.Duration {
	return time.Duration(float64(p.N) / p.Rate * float64(time.Second))
}

// settings are the host's limits that would be in the way.
func (p *plan) settings() []setting {
	files := int64(math.Ceil(1.1*float64(2*p.N))) + 65536
	return []setting{
		{key: "fs.file-max", least: files, why: "both ends of every connection are on this host"},
		{key: "fs.epoll.max_user_watches", least: files, why: "every socket is watched"},
		{key: "net.core.somaxconn", least: 65535, why: "an accept queue for a second of arrivals"},
		{key: "net.ipv4.tcp_max_syn_backlog", least: 65535, why: "no shorter than the accept queue"},
	}
}

func (p *plan) print(out io.Writer) {
	fmt.Fprintf(out, "plan: %d connections at %.0f/s; %d worker processes, %d target processes on %s; a push after %v; source addresses: %s\n",
		p.N, p.Rate, p.Workers, p.Targets, p.listen(), p.interval(), orDefault(p.Sources, "the system's"))
	fmt.Fprintf(out, "      about %.1f GB of memory in all; the largest number that fits is %d (%s)\n", gigabytes(p.MemoryBytes), p.FitsN, p.FitsWhy)
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
