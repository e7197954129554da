package stage

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Blackhole is an address that answers no dial: its listener accepts nothing
// and has no room left. Package net gives no way to a queue this short.
func Blackhole(t testing.TB) string {
	t.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(socket) })
	if err := unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(socket, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	dialer := net.Dialer{Timeout: 200 * time.Millisecond}
	for range 10 {
		filler, err := dialer.DialContext(context.Background(), "tcp", address)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = filler.Close() })
	}
	t.Fatal("a listener with room for nobody took 10 connections")
	return ""
}
