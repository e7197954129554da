//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// pageSize is that of the memory figures in /proc/net/sockstat.
var pageSize = int64(os.Getpagesize())

// host is what the machine says of itself before anything is started.
type host struct {
	Kernel       string  `json:"kernel"`
	CPU          string  `json:"cpu"`
	Cores        int     `json:"cores"`
	MemoryBytes  int64   `json:"memory_bytes"`
	Available    int64   `json:"memory_available_bytes"`
	Descriptors  int     `json:"descriptors_per_process"`
	FirstPort    int     `json:"first_local_port"`
	LastPort     int     `json:"last_local_port"`
	SocketBytes  float64 `json:"kernel_bytes_per_socket_expected"`
	SocketSource string  `json:"kernel_bytes_per_socket_source"`
}

func readHost() (*host, error) {
	h := &host{Cores: runtime.NumCPU(), CPU: cpuModel()}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return nil, err
	}
	h.Kernel = strings.TrimSpace(string(release))
	info, err := readFields("/proc/meminfo")
	if err != nil {
		return nil, err
	}
	h.MemoryBytes, h.Available = info["MemTotal"], info["MemAvailable"]
	if limit, err := strconv.ParseInt(readSetting("/sys/fs/cgroup/memory.max"), 10, 64); err == nil {
		h.Available = min(h.Available, limit)
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return nil, fmt.Errorf("reading the limit of open files: %w", err)
	}
	h.Descriptors = int(min(files.Max, 1<<30))
	if _, err := fmt.Sscan(readSetting("/proc/sys/net/ipv4/ip_local_port_range"), &h.FirstPort, &h.LastPort); err != nil {
		return nil, fmt.Errorf("reading net.ipv4.ip_local_port_range: %w", err)
	}
	slabs, err := os.ReadFile("/proc/slabinfo")
	if err == nil {
		h.SocketBytes, err = socketBytes(slabs)
		h.SocketSource = "slabs of this kernel"
	}
	if err != nil { // not root, or another allocator
		h.SocketBytes, h.SocketSource = 4000, "assumed: /proc/slabinfo is not readable"
	}
	return h, nil
}

func cpuModel() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(data)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// socketSlabs are the objects that one established socket in an epoll set is
// made of. Caches of equal objects are merged by the kernel under one name, and
// some kernels lack some: the number stands in for one that is not listed.
var socketSlabs = []struct {
	name      string
	otherwise float64
}{
	{"TCP", 0},
	{"sock_inode_cache", 0},
	{"filp", 256},
	{"dentry", 192},
	{"eventpoll_epi", 128},
	{"eventpoll_pwq", 64},
	{"lsm_file_cache", 0},
	{"lsm_inode_cache", 0},
}

// slab is one cache of the kernel's: the objects in use, and what each takes
// with its part of the waste at the end of a slab.
type slab struct {
	objects int64
	each    float64
}

func parseSlabs(slabinfo []byte) map[string]slab {
	slabs := make(map[string]slab)
	for line := range strings.Lines(string(slabinfo)) {
		var name string
		var objects, all, size, perSlab, pages int64
		if _, err := fmt.Sscan(line, &name, &objects, &all, &size, &perSlab, &pages); err != nil || perSlab == 0 {
			continue // a heading
		}
		slabs[name] = slab{objects: objects, each: float64(pages*pageSize) / float64(perSlab)}
	}
	return slabs
}

// socketBytes adds up what one object of each of the slabs takes.
func socketBytes(slabinfo []byte) (float64, error) {
	slabs, sum := parseSlabs(slabinfo), 0.0
	if slabs["TCP"].each == 0 || slabs["sock_inode_cache"].each == 0 {
		return 0, errors.New("/proc/slabinfo does not list the sockets")
	}
	for _, s := range socketSlabs {
		if each := slabs[s.name].each; each > 0 {
			sum += each
		} else {
			sum += s.otherwise
		}
	}
	return sum, nil
}

// readFields reads a file of lines "Name: 12 kB" as bytes; what lacks the unit
// is taken as it is.
func readFields(path string) (map[string]int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	values := make(map[string]int64)
	for line := range strings.Lines(string(data)) {
		name, rest, found := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if !found || len(fields) == 0 {
			continue
		}
		value, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			continue
		}
		if len(fields) > 1 && fields[1] == "kB" {
			value *= 1024
		}
		values[name] = value
	}
	return values, nil
}

func readSetting(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// sockets are the TCP sockets of this network namespace.
type sockets struct {
	Open     int   `json:"open"`
	TimeWait int   `json:"time_wait"`
	Memory   int64 `json:"queued_bytes"` // of the whole host
}

func readSockets() (sockets, error) {
	var s sockets
	for _, path := range []string{"/proc/net/sockstat", "/proc/net/sockstat6"} {
		data, err := os.ReadFile(path)
		if err != nil {
			if path == "/proc/net/sockstat6" { // a kernel without IPv6
				continue
			}
			return s, err
		}
		s.add(data)
	}
	return s, nil
}

// add adds what a sockstat file says of TCP: "TCP: inuse 5 orphan 0 tw 1 …".
func (s *sockets) add(sockstat []byte) {
	lines := bufio.NewScanner(bytes.NewReader(sockstat))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || (fields[0] != "TCP:" && fields[0] != "TCP6:") {
			continue
		}
		for i := 1; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseInt(fields[i+1], 10, 64)
			if err != nil {
				continue
			}
			switch fields[i] {
			case "inuse":
				s.Open += int(value)
			case "tw":
				s.TimeWait += int(value)
			case "mem":
				s.Memory += value * pageSize
			}
		}
	}
}

// memory is that of the whole host, in bytes.
type memory struct {
	Used int64 `json:"used"` // all but free memory and the page cache
	Slab int64 `json:"slab"`
	// Watchers is the part of Slab that is kept for those who look through
	// /proc, as monitoring does: for each descriptor of each process. The
	// kernel drops it when memory is short.
	Watchers   int64 `json:"slab_of_proc_watchers"`
	KernelRest int64 `json:"kernel_rest"` // stacks, page tables, buffers of sockets
}

// kernel is what the kernel takes for all processes and sockets.
func (m memory) kernel() int64 { return m.Slab - m.Watchers + m.KernelRest }

func readMemory() (memory, error) {
	info, err := readFields("/proc/meminfo")
	if err != nil {
		return memory{}, err
	}
	tcp, err := readSockets()
	if err != nil {
		return memory{}, err
	}
	m := memory{
		Used:       info["MemTotal"] - info["MemFree"] - info["Buffers"] - info["Cached"],
		Slab:       info["Slab"],
		KernelRest: info["KernelStack"] + info["PageTables"] + info["VmallocUsed"] + tcp.Memory,
	}
	slabinfo, err := os.ReadFile("/proc/slabinfo")
	if err != nil { // not root: it stays part of Slab
		return m, nil //nolint:nilerr // the figure is then too large, which is the safe side
	}
	slabs := parseSlabs(slabinfo)
	watched := slabs["proc_inode_cache"]
	m.Watchers = int64(float64(watched.objects) * (watched.each + slabs["dentry"].each))
	return m, nil
}

// usage is what a group of processes uses.
type usage struct {
	Processes   int     `json:"processes"`
	Private     int64   `json:"private_bytes"` // resident, and nobody else's
	Descriptors int     `json:"descriptors"`
	CPUSeconds  float64 `json:"cpu_seconds"`
}

// clockTick is the unit of times in /proc/PID/stat, fixed on Linux.
const clockTick = 100

// readUsage adds up the processes. One that has ended is a fault: its part of
// the load is gone.
func readUsage(pids []int) (usage, error) {
	u := usage{Processes: len(pids)}
	for _, pid := range pids {
		folder := filepath.Join("/proc", strconv.Itoa(pid))
		rollup, err := readFields(filepath.Join(folder, "smaps_rollup"))
		if err != nil {
			return u, fmt.Errorf("memory of process %d: %w", pid, err)
		}
		u.Private += rollup["Private_Clean"] + rollup["Private_Dirty"]
		count, err := countDescriptors(filepath.Join(folder, "fd"))
		if err != nil {
			return u, err
		}
		u.Descriptors += count
		seconds, err := cpuSeconds(folder)
		if err != nil {
			return u, err
		}
		u.CPUSeconds += seconds
	}
	return u, nil
}

// countDescriptors asks for the folder's size, which is their number since
// Linux 6.2, and counts them elsewhere.
func countDescriptors(folder string) (int, error) {
	about, err := os.Stat(folder)
	if err != nil {
		return 0, err
	}
	if about.Size() > 0 {
		return int(about.Size()), nil
	}
	entries, err := os.ReadDir(folder)
	return len(entries), err
}

// cpuSeconds reads user and system time of a process and of its threads.
func cpuSeconds(folder string) (float64, error) {
	stat, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return 0, err
	}
	// The name before it, in parentheses, may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s/stat has %d fields", folder, len(fields))
	}
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	return (user + system) / clockTick, err
}

// children are the processes that a process started.
func children(parent int) ([]int, error) {
	tasks, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(parent), "task", "*", "children"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range tasks {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(data)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return nil, err
			}
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
