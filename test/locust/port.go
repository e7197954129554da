package locust

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
)

// lowestPort is the first port that FreePort considers; below it there are too
// many well-known services.
const lowestPort = 10000

// FreePort returns a TCP port of 127.0.0.1 that nobody listens on.
//
// It lies below the range from which the kernel takes ports for outgoing
// connections. A port inside it could be taken by any of the many connections
// of a load test between two lives of a master that restarts on it.
func FreePort(t testing.TB) int {
	t.Helper()
	end := firstEphemeralPort()
	if end < lowestPort+1000 {
		end = 65536 // the whole range is ephemeral: take what is free now
	}
	for range 1000 {
		port := lowestPort + rand.IntN(end-lowestPort)
		listener, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatalf("free the port %d: %v", port, err)
		}
		return port
	}
	t.Fatalf("no free port between %d and %d on 127.0.0.1", lowestPort, end)
	return 0
}

// firstEphemeralPort reads the kernel's range; the default stands where there is
// none to read.
func firstEphemeralPort() int {
	first := 32768
	if content, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		var low int
		if _, err := fmt.Sscan(string(content), &low); err == nil {
			first = low
		}
	}
	return first
}

func loopback(port int) string {
	return fmt.Sprintf("127.0.0.1:%d", port)
}
