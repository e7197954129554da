package tcp

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"upsurge/worker/user"
)

// Where Linux says which local ports it gives to connections.
const (
	portRangeFile     = "/proc/sys/net/ipv4/ip_local_port_range"
	reservedPortsFile = "/proc/sys/net/ipv4/ip_local_reserved_ports"
)

// room is how many connections the local ports allow, with the arithmetic.
// Each source address has the whole range of ports for each target.
type room struct {
	sources, ports, targets int
	share                   user.Share // of one system-chosen source; Count 0 or 1: the whole
}

// connections is the process's part. Without source addresses of its own, it
// shares the one that the system chooses with the other processes.
func (r room) connections() int {
	if r.ports == 0 {
		return math.MaxInt // unknown
	}
	if r.sources > 0 {
		return r.sources * r.ports * r.targets
	}
	whole := r.ports * r.targets
	count := max(r.share.Count, 1)
	return whole*(r.share.Index+1)/count - whole*r.share.Index/count
}

func (r room) String() string {
	remedy := "use more source addresses (--tcp-source-ips) or targets, or widen net.ipv4.ip_local_port_range"
	if r.sources > 0 || r.share.Count <= 1 {
		return fmt.Sprintf("%d source addresses × %d local ports × %d targets = %d connections: %s",
			max(r.sources, 1), r.ports, r.targets, r.connections(), remedy)
	}
	return fmt.Sprintf("1 source address × %d local ports × %d targets / %d processes = %d connections: %s",
		r.ports, r.targets, r.share.Count, r.connections(), remedy)
}

// localPorts is the number of ports for connections; 0 where the system does
// not say.
func localPorts() int {
	span, err := os.ReadFile(portRangeFile)
	if err != nil {
		return 0
	}
	reserved, err := os.ReadFile(reservedPortsFile)
	if err != nil {
		reserved = nil // the system has no such setting
	}
	return countPorts(string(span), string(reserved))
}

// countPorts counts the range "first last" without what the list of reserved
// ports ("8080,9000-9010") has of it; 0 if either is not what the kernel
// writes. The kernel merges and sorts the reserved ones.
func countPorts(span, reserved string) int {
	fields := strings.Fields(span)
	if len(fields) != 2 {
		return 0
	}
	first, err := strconv.Atoi(fields[0])
	if err != nil {
		return 0
	}
	last, err := strconv.Atoi(fields[1])
	if err != nil || last < first {
		return 0
	}
	count := last - first + 1
	for field := range strings.SplitSeq(strings.TrimSpace(reserved), ",") {
		if field == "" {
			continue
		}
		lowText, highText, isRange := strings.Cut(field, "-")
		if !isRange {
			highText = lowText
		}
		low, err := strconv.Atoi(lowText)
		if err != nil {
			return 0
		}
		high, err := strconv.Atoi(highText)
		if err != nil {
			return 0
		}
		if overlap := min(high, last) - max(low, first) + 1; overlap > 0 {
			count -= overlap
		}
	}
	return max(count, 0)
}
