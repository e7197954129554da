package netfault

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// wire carries the packets between two hosts in place of the router, late and
// with losses. Not every kernel has netem; packet sockets are everywhere.
type wire struct {
	latency time.Duration // each way
	loss    float64       // share of the packets, 0 to 1

	mu            sync.Mutex
	carried, lost int
}

// startWire puts the wire between two hosts until the test ends.
func (s *site) startWire(w *wire, a, b string) {
	s.t.Helper()
	for _, host := range []string{a, b} {
		// A packet is carried as it is: it must have its checksum and fit.
		s.run("ip", append(s.on(host)[1:], "ethtool", "--offload", "eth0", "tx", "off", "tso", "off", "gso", "off")...)
	}
	s.blackhole(a, b) // for the router; the wire's packets are the router's own
	for _, way := range [][2]string{{a, b}, {b, a}} {
		if err := w.carry(s.t, s.device(way[0]), s.network(way[1])); err != nil {
			s.t.Fatal(err)
		}
	}
}

// carry starts carrying what comes from a device for a network.
func (w *wire) carry(t *testing.T, device, network string) error {
	destination, err := netip.ParsePrefix(network)
	if err != nil {
		return err
	}
	link, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	in, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("packet socket: %w", err)
	}
	const ipv4 = unix.ETH_P_IP>>8 | unix.ETH_P_IP&0xff<<8 // in network order
	if err := unix.Bind(in, &unix.SockaddrLinklayer{Protocol: ipv4, Ifindex: link.Index}); err != nil {
		return fmt.Errorf("packet socket on %s: %w", device, err)
	}
	out, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return fmt.Errorf("raw socket: %w", err)
	}
	// A read must end when the test does.
	if err := unix.SetsockoptTimeval(in, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000}); err != nil {
		return err
	}
	late := make(chan latePacket, 10_000)
	var tasks sync.WaitGroup
	ended := make(chan struct{})
	tasks.Go(func() {
		defer close(late)
		w.receive(in, destination, late, ended)
	})
	tasks.Go(func() { w.send(out, late) })
	t.Cleanup(func() {
		close(ended)
		tasks.Wait()
		_ = unix.Close(in)
		_ = unix.Close(out)
	})
	return nil
}

// latePacket is one on its way.
type latePacket struct {
	due  time.Time
	data []byte
}

// receive takes packets for the destination, loses some, and hands on the rest.
func (w *wire) receive(in int, destination netip.Prefix, late chan<- latePacket, ended <-chan struct{}) {
	buffer := make([]byte, 1<<16)
	for {
		select {
		case <-ended:
			return
		default:
		}
		n, from, err := unix.Recvfrom(in, buffer, 0)
		if err != nil || n < 20 {
			continue // the time limit, mostly
		}
		if link, ok := from.(*unix.SockaddrLinklayer); !ok || link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if !destination.Contains(netip.AddrFrom4([4]byte(buffer[16:20]))) {
			continue
		}
		w.mu.Lock()
		w.carried++
		lose := rand.Float64() < w.loss
		if lose {
			w.lost++
		}
		w.mu.Unlock()
		if lose {
			continue
		}
		select {
		case late <- latePacket{time.Now().Add(w.latency), append([]byte(nil), buffer[:n]...)}:
		default: // as a router whose queue is full
		}
	}
}

// send sends each packet when it is due; the kernel routes it.
func (w *wire) send(out int, late <-chan latePacket) {
	for packet := range late {
		time.Sleep(time.Until(packet.due))
		to := &unix.SockaddrInet4{Addr: [4]byte(packet.data[16:20])}
		binary.BigEndian.PutUint16(packet.data[10:], 0) // the kernel fills the header's sum in
		_ = unix.Sendto(out, packet.data, 0, to)        // lost, as on a real line
	}
}

// A line of 200 ms each way that loses every hundredth packet. Nothing breaks:
// the same connection lasts, users follow, and the books agree.
func TestLatencyAndLoss(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		w := &wire{latency: 200 * time.Millisecond, loss: 0.01}
		s.startWire(w, "worker", "master")
		start := time.Now()
		s.join(s.address("master", 2))
		t.Logf("joined after %v", time.Since(start).Round(100*time.Millisecond))
		s.swarm()
		missed := 0
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
			for _, row := range s.workersNow() {
				if row.State == "missing" {
					missed++
				}
			}
		}
		s.obeys()
		s.books(s.both(), s.final)
		t.Logf("%d packets carried, %d of them lost; a worker was missing at %d of 60 looks", w.carried, w.lost, missed)
		if w.lost == 0 || missed > 6 {
			t.Errorf("%d packets lost, a worker missing at %d of 60 looks", w.lost, missed)
		}
	})
}
