package zmq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// probeWait is how long a peer that stayed silent has to prove itself an HTTP
// server.
const probeWait = 300 * time.Millisecond

// dial connects to the master and shakes hands under that identity; an empty
// one makes the ROUTER choose its own. It names the address in every error and
// ends with ctx.
func dial(ctx context.Context, config Config, identity string) (*timedConn, *frameReader, error) {
	dialer := net.Dialer{
		Timeout:   config.DialTimeout,
		KeepAlive: -1, // off: PINGs watch the connection, and closer than TCP's probes
	}
	raw, err := dialer.DialContext(ctx, "tcp", config.Address)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to master %s: %w", config.Address, err)
	}
	conn := &timedConn{TCPConn: raw.(*net.TCPConn)} // what Dialer makes for "tcp"
	abort := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	reader, err := handshake(conn, config, identity)
	if !abort() {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("connect to master %s: %w", config.Address, err)
	}
	return conn, reader, nil
}

// handshake exchanges greetings and READY commands.
func handshake(conn *timedConn, config Config, identity string) (*frameReader, error) {
	if isSelfConnected(conn) {
		return nil, fmt.Errorf("%w: nothing listens on that port", ErrSelfConnect)
	}
	if err := conn.SetDeadline(time.Now().Add(config.HandshakeTimeout)); err != nil {
		return nil, err
	}
	// The greeting is longer than what libzmq wants before it sends the rest of
	// its own, so there is no need to wait for the peer's signature first.
	if _, err := conn.Write(clientGreeting()); err != nil {
		return nil, fmt.Errorf("send greeting: %w", err)
	}
	if err := readGreeting(conn, config.HandshakeTimeout); err != nil {
		return nil, err
	}
	if _, err := conn.Write(readyFrame(identity)); err != nil {
		return nil, fmt.Errorf("send READY: %w", err)
	}
	reader := newFrameReader(conn, maxCommand)
	h, body, err := reader.next()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("%w: greeting but no READY within %v", ErrSilent, config.HandshakeTimeout)
	case isClosed(err):
		return nil, fmt.Errorf("%w: after the greeting", ErrPeerClosed)
	case err != nil:
		return nil, fmt.Errorf("read READY: %w", err)
	case !h.command():
		return nil, fmt.Errorf("%w: message before READY", ErrProtocol)
	}
	if err := checkReady(body); err != nil {
		return nil, err
	}
	reader.maxFrame = config.MaxFrame
	return reader, nil
}

// readGreeting reads the peer's greeting and explains what else it found.
func readGreeting(conn net.Conn, timeout time.Duration) error {
	var greeting [greetingSize]byte
	have := 0
	for have < greetingSize {
		n, err := conn.Read(greeting[have:])
		have += n
		found := greeting[:have]
		switch {
		case !isSignature(found):
			return foreignPeer(conn, found)
		// A peer of ZMTP 2 sends a shorter greeting and waits.
		case have > signatureSize && found[signatureSize] < 3:
			return versionError(found[signatureSize])
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return silentPeer(conn, have, timeout)
		case isClosed(err):
			return fmt.Errorf("%w: after %d of %d bytes of its greeting", ErrPeerClosed, have, greetingSize)
		default:
			return fmt.Errorf("read greeting: %w", err)
		}
	}
	return checkGreeting(greeting[:])
}

// silentPeer explains a peer that did not finish its greeting in time. A web
// server waits for the end of a line, so it gets one: this connection is lost
// in any case.
func silentPeer(conn net.Conn, have int, timeout time.Duration) error {
	silent := fmt.Errorf("%w: %d of %d bytes of its greeting within %v; is it frozen, or not a Locust master?",
		ErrSilent, have, greetingSize, timeout)
	if have > 0 || conn.SetDeadline(time.Now().Add(probeWait)) != nil {
		return silent
	}
	if _, err := io.WriteString(conn, "\r\n\r\n"); err != nil {
		return silent
	}
	answer := make([]byte, signatureSize)
	if n, _ := io.ReadAtLeast(conn, answer, len("HTTP/")); isHTTP(answer[:n]) {
		return httpPeer()
	}
	return silent
}

// foreignPeer explains a peer whose first bytes are no greeting.
func foreignPeer(conn net.Conn, found []byte) error {
	start := make([]byte, signatureSize)
	n := copy(start, found)
	if n < len("HTTP/") && conn.SetReadDeadline(time.Now().Add(probeWait)) == nil {
		more, _ := io.ReadAtLeast(conn, start[n:], len("HTTP/")-n)
		n += more
	}
	if isHTTP(start[:n]) {
		return httpPeer()
	}
	return fmt.Errorf("%w: first bytes %q; is this the port for workers (5557)?", ErrNotZeroMQ, start[:n])
}

func isHTTP(start []byte) bool { return bytes.HasPrefix(start, []byte("HTTP/")) }

func httpPeer() error {
	return fmt.Errorf("%w: it speaks HTTP; is this the master's web port (8089) instead of its port for workers (5557)?",
		ErrNotZeroMQ)
}

// isClosed tells whether a read failed because the peer ended the connection,
// with a FIN or with a RST.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// isSelfConnected tells whether both ends of a connection are the same socket.
// That happens when a dial to a free port of this host is given that very port
// as its own.
func isSelfConnected(conn net.Conn) bool {
	return conn.LocalAddr().String() == conn.RemoteAddr().String()
}
