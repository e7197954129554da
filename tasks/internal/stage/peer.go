package stage

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Listener is where users connect to. The test takes each connection and
// speaks for the server itself.
type Listener struct {
	Address  string
	t        testing.TB
	listener *net.TCPListener
}

// Listen listens at the address, or at a port of loopback if it is empty,
// until the test ends.
func Listen(t testing.TB, address string) *Listener {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return &Listener{Address: listener.Addr().String(), t: t, listener: listener.(*net.TCPListener)}
}

// Accept waits for the next connection.
func (l *Listener) Accept() *Peer {
	l.t.Helper()
	if err := l.listener.SetDeadline(time.Now().Add(Patience)); err != nil {
		l.t.Fatal(err)
	}
	conn, err := l.listener.AcceptTCP()
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		l.t.Fatal(err)
	}
	return &Peer{TCPConn: conn, t: l.t}
}

// Unused is a loopback address that nobody listens at.
func Unused(t testing.TB) string {
	t.Helper()
	l := Listen(t, "")
	_ = l.listener.Close()
	return l.Address
}

// Peer is the server's end of a connection.
type Peer struct {
	*net.TCPConn
	t testing.TB
}

// Send writes the text.
func (p *Peer) Send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.TCPConn, text); err != nil {
		p.t.Fatal(err)
	}
}

// Expect reads as many bytes as text has and compares.
func (p *Peer) Expect(text string) {
	p.t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(p.TCPConn, got); err != nil {
		p.t.Fatal(err)
	}
	if string(got) != text {
		p.t.Fatalf("the user sent %q, want %q", got, text)
	}
}

// ExpectEnd reads the user's FIN, and nothing before it.
func (p *Peer) ExpectEnd() {
	p.t.Helper()
	var rest strings.Builder
	if _, err := io.Copy(&rest, p.TCPConn); err != nil || rest.Len() > 0 {
		p.t.Fatalf("want the end of what the user sends, got %q, %v", rest.String(), err)
	}
}

// Leave closes the connection.
func (p *Peer) Leave() {
	p.t.Helper()
	if err := p.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// Cut closes the connection with a reset.
func (p *Peer) Cut() {
	p.t.Helper()
	if err := p.SetLinger(0); err != nil {
		p.t.Fatal(err)
	}
	p.Leave()
}

// SourceIP is the address that the user connected from.
func (p *Peer) SourceIP() string { return p.RemoteAddr().(*net.TCPAddr).IP.String() }
