package netfault

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// lab is a small network: hosts that reach each other through this process's
// namespace only.
//
//	worker 10.N.2.2 --- router --- 10.N.1.2 and 10.N.1.3 master
//	                       |
//	                   10.N.3.2 target
//
// The router reaches every host whatever is cut between the hosts, and so the
// test can look at the master and at the target at any time.
type lab struct {
	t      *testing.T
	number int
}

// labs numbers the labs of this process, from 1.
var labs atomic.Int32

// hosts are the machines of a lab and the third byte of their addresses.
var hosts = map[string]int{"master": 1, "worker": 2, "target": 3}

func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: making network namespaces takes root")
	}
	l := &lab{t: t, number: int(labs.Add(1))}
	for name := range hosts {
		l.addHost(name)
	}
	l.ip("-n", l.namespace("master"), "address", "add", l.address("master", 3)+"/24", "dev", "eth0")
	return l
}

func (l *lab) addHost(name string) {
	namespace, device := l.namespace(name), l.device(name)
	l.ip("netns", "add", namespace)
	l.t.Cleanup(func() { l.ip("netns", "delete", namespace) }) // and the devices with it
	l.ip("link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", namespace)
	l.ip("address", "add", l.address(name, 1)+"/24", "dev", device)
	l.ip("link", "set", device, "up")
	l.ip("-n", namespace, "link", "set", "lo", "up")
	l.ip("-n", namespace, "address", "add", l.address(name, 2)+"/24", "dev", "eth0")
	l.ip("-n", namespace, "link", "set", "eth0", "up")
	l.ip("-n", namespace, "route", "add", "default", "via", l.address(name, 1))
}

func (l *lab) namespace(host string) string { return fmt.Sprintf("lab%d-%s", l.number, host) }

// device is the router's end of the line to a host.
func (l *lab) device(host string) string { return fmt.Sprintf("v%d-%s", l.number, host) }

// address is an address in a host's network: 1 is the router, 2 the host.
func (l *lab) address(host string, last int) string {
	return fmt.Sprintf("10.%d.%d.%d", l.number, hosts[host], last)
}

// network is a host's network.
func (l *lab) network(host string) string { return l.address(host, 0) + "/24" }

// on is the command that runs another one on a host.
func (l *lab) on(host string) []string {
	return []string{"ip", "netns", "exec", l.namespace(host)}
}

func (l *lab) ip(arguments ...string) {
	l.t.Helper()
	l.run("ip", arguments...)
}

func (l *lab) run(name string, arguments ...string) string {
	l.t.Helper()
	output, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %s: %v: %s", name, strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

// blackhole makes the router drop whatever two hosts send each other, without
// a word to either: as a cable that was pulled behind the next switch.
func (l *lab) blackhole(a, b string) { l.drop("add", a, b) }

// heal ends a blackhole.
func (l *lab) heal(a, b string) { l.drop("delete", a, b) }

func (l *lab) drop(what, a, b string) {
	l.t.Helper()
	for _, way := range [][2]string{{a, b}, {b, a}} {
		l.ip("rule", what, "iif", l.device(way[0]), "to", l.network(way[1]), "blackhole")
	}
}

// reset makes the host's kernel end its connections to another host, with a
// RST to the other side.
func (l *lab) reset(host, peer string) {
	l.t.Helper()
	killed := l.run("ip", append(l.on(host)[1:], "ss", "--kill", "--tcp", "--numeric", "dst", l.network(peer))...)
	if !strings.Contains(killed, "ESTAB") {
		l.t.Fatalf("no connection between %s and %s was reset: %s", host, peer, killed)
	}
}

// name makes a host name known to every process of the lab, in place of what it
// meant before. The file is written in place: it is what is mounted.
func (l *lab) name(name, address string) {
	l.t.Helper()
	names.Lock()
	defer names.Unlock()
	names.addresses[name] = address
	var text strings.Builder
	for name, address := range names.addresses {
		fmt.Fprintf(&text, "%s %s\n", address, name)
	}
	if err := os.WriteFile(hostsFile, []byte(text.String()), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// names are the host names of all labs, which share a file.
var names = struct {
	sync.Mutex
	addresses map[string]string
}{addresses: map[string]string{"localhost": "127.0.0.1"}}
