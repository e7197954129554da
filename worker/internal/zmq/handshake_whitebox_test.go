package zmq

import (
	"errors"
	"net"
	"testing"
)

// TestSelfConnect makes a TCP socket that is its own peer, as the kernel does
// when a dial to a free port happens to come from that very port.
func TestSelfConnect(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().(*net.TCPAddr)
	_ = listener.Close()
	conn, err := net.DialTCP("tcp", address, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := handshake(&timedConn{TCPConn: conn}, testConfig(), "a"); !errors.Is(err, ErrSelfConnect) {
		t.Errorf("handshake: %v, want %v", err, ErrSelfConnect)
	}
}
