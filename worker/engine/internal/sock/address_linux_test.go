//go:build linux && !portable

package sock_test

import (
	"net"
	"net/netip"
	"syscall"
	"testing"

	"upsurge/worker/engine/internal/sock"
)

func TestConnectNames(t *testing.T) {
	for _, local := range []string{"127.0.0.2", "::1"} {
		t.Run(local, func(t *testing.T) {
			listener, err := net.Listen("tcp", net.JoinHostPort(local, "0"))
			if err != nil {
				t.Skipf("the host has no such address: %v", err)
			}
			defer listener.Close()
			remote := netip.MustParseAddrPort(listener.Addr().String())
			to, err := sock.NewAddress(remote)
			if err != nil {
				t.Fatal(err)
			}
			from, err := sock.NewAddress(netip.AddrPortFrom(netip.MustParseAddr(local), 0))
			if err != nil {
				t.Fatal(err)
			}
			descriptor, errno := sock.Open(to)
			if errno != 0 {
				t.Fatal(errno)
			}
			defer sock.Close(descriptor)
			if errno := sock.Bind(descriptor, from); errno != 0 {
				t.Fatalf("bind to %v: %v", local, errno)
			}
			if port := sock.Local(descriptor).Port(); port != 0 {
				t.Errorf("bind reserved port %d, want none before connect", port)
			}
			if errno := sock.Connect(descriptor, to); errno != 0 && errno != syscall.EINPROGRESS {
				t.Fatal(errno)
			}
			peer, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			if got := sock.Local(descriptor).String(); got != peer.RemoteAddr().String() {
				t.Errorf("local address %v, the peer sees %v", got, peer.RemoteAddr())
			}
			if got := sock.Remote(descriptor); got != remote {
				t.Errorf("remote address %v, want %v", got, remote)
			}
		})
	}
}

func TestAddressFaults(t *testing.T) {
	for _, a := range []netip.AddrPort{
		{},
		netip.AddrPortFrom(netip.MustParseAddr("fe80::1%no-such-device"), 1),
	} {
		if _, err := sock.NewAddress(a); err == nil {
			t.Errorf("NewAddress(%v) gave no error", a)
		}
	}
	if (sock.Local(-1) != netip.AddrPort{}) {
		t.Error("a descriptor that isn't open has an address")
	}
}
