package targets

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"strings"
)

const (
	// DefaultListen is the address of a target that is given none.
	DefaultListen = ":8080"
	// DefaultBacklog is the accept queue that a target asks for; the kernel
	// clips it to net.core.somaxconn.
	DefaultBacklog = 65535

	maxLoops     = 1024
	maxAddresses = 4096
)

// Binding says where a target listens and on how many event loops its
// connections live. The zero value listens on DefaultListen with one loop
// for each core.
type Binding struct {
	// Listen holds host:port addresses; the port may be 0 (the system
	// chooses) or a range (":8080-8089"). Empty: DefaultListen.
	Listen []string
	// Backlog is the length of the accept queue. 0: DefaultBacklog.
	Backlog int
	// Loops is the number of event loops, each on a goroutine of its own.
	// 0: GOMAXPROCS.
	Loops int
	// ReusePort lets other processes of the same user listen on the same
	// port (SO_REUSEPORT); the kernel then spreads connections over them.
	ReusePort bool
	// Log receives what the operator should know. nil: nothing is logged.
	Log *slog.Logger
}

// Normalized returns the binding with defaults filled in and ranges of ports
// expanded, or every fault found, joined.
func (b Binding) Normalized() (Binding, error) {
	var faults []error
	if len(b.Listen) == 0 {
		b.Listen = []string{DefaultListen}
	}
	var addresses []string
	for _, address := range b.Listen {
		expanded, err := expandPorts(address)
		if err != nil {
			faults = append(faults, err)
		}
		addresses = append(addresses, expanded...)
	}
	if len(addresses) > maxAddresses {
		faults = append(faults, fmt.Errorf("%d listen addresses: at most %d are possible", len(addresses), maxAddresses))
	}
	b.Listen = addresses
	if b.Backlog < 0 {
		faults = append(faults, fmt.Errorf("backlog %d: must not be negative", b.Backlog))
	}
	if b.Backlog == 0 {
		b.Backlog = DefaultBacklog
	}
	if b.Loops < 0 || b.Loops > maxLoops {
		faults = append(faults, fmt.Errorf("loops %d: must be 0 (one for each core) to %d", b.Loops, maxLoops))
	}
	if b.Loops == 0 {
		b.Loops = runtime.GOMAXPROCS(0)
	}
	if b.Log == nil {
		b.Log = slog.New(slog.DiscardHandler)
	}
	return b, errors.Join(faults...)
}

// expandPorts turns "host:8080-8082" into three addresses and leaves
// "host:8080" as it is.
func expandPorts(address string) ([]string, error) {
	host, ports, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: %w (want host:port or host:first-last)", address, err)
	}
	firstText, lastText, isRange := strings.Cut(ports, "-")
	first, err := parsePort(firstText)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: %w", address, err)
	}
	if !isRange {
		return []string{address}, nil
	}
	last, err := parsePort(lastText)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: %w", address, err)
	}
	if first == 0 || last < first {
		return nil, fmt.Errorf("listen address %q: the range of ports must rise and not start at 0", address)
	}
	addresses := make([]string, 0, last-first+1)
	for port := first; port <= last; port++ {
		addresses = append(addresses, net.JoinHostPort(host, strconv.Itoa(port)))
	}
	return addresses, nil
}

func parsePort(text string) (int, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("port %q: must be a number from 0 to 65535", text)
	}
	return int(port), nil
}
