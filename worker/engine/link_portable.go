//go:build !linux || portable

package engine

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// closeGrace is how long a closed connection may take to send what was written
// to it before.
const closeGrace = time.Second

// writeChunk is the most that the writer gives to the kernel at a time, so that
// Buffered falls while a slow reader reads.
const writeChunk = 64 << 10

// link is one dial and the connection that comes of it: one goroutine dials and
// then reads, one writes. The loop's goroutine owns it until release; then the
// writer closes the stream.
type link struct {
	loop   *Loop
	conn   *Conn // loop goroutine only; nil after release
	cancel context.CancelFunc
	stream *net.TCPConn // set by the loop's goroutine before the others start
	done   chan struct{}
	taken  chan struct{} // holds one: the loop is done with the bytes that were read
	signal chan struct{} // holds one: the writer has something to do
	nagle  bool

	mu       sync.Mutex
	out      []byte
	failure  error // of a write
	released bool
	farewell bool // close the writing side once all is written
}

func (k *link) dial(ctx context.Context, remote, source endpoint) {
	defer k.cancel()
	// No keep-alive probes, as on Linux: a million connections would send 67,000
	// per second.
	dialer := net.Dialer{KeepAlive: -1}
	if source != nil {
		dialer.LocalAddr = source
	}
	stream, err := dialer.DialContext(ctx, "tcp", remote.String())
	if err != nil {
		k.loop.Post(func() { k.ended(err) })
		return
	}
	tcp, ok := stream.(*net.TCPConn)
	if !ok {
		err = errors.Join(errors.New("engine: dial gave a connection that isn't TCP"), stream.Close())
		k.loop.Post(func() { k.ended(err) })
		return
	}
	if k.nagle {
		// It fails only on a connection that has ended, which reading will tell.
		_ = tcp.SetNoDelay(false)
	}
	if !k.loop.Post(func() { k.opened(tcp) }) {
		_ = tcp.Close() // the loop is gone, nobody is left to be told
	}
}

// opened runs on the loop.
func (k *link) opened(stream *net.TCPConn) {
	c := k.conn
	if c == nil {
		_ = stream.Close() // closed while it was dialled
		return
	}
	k.stream = stream
	k.loop.sockets.running.Go(k.writeAll)
	k.loop.sockets.running.Go(k.readAll)
	c.opened(k.loop.clock.Now())
}

// ended runs on the loop. A failed write takes the error that the read would
// have given, which then finds an orderly end.
func (k *link) ended(err error) {
	if k.conn == nil {
		return
	}
	k.mu.Lock()
	if k.failure != nil {
		err = k.failure
	}
	k.mu.Unlock()
	k.conn.end(err)
}

// received runs on the loop.
func (k *link) received(data []byte) {
	c := k.conn
	if c == nil {
		return
	}
	k.loop.current = c
	c.handler.OnData(c, data)
	k.loop.current = nil
	k.taken <- struct{}{} // never waits: the reader takes it before it reads on
}

func (k *link) readAll() {
	buffer := make([]byte, k.loop.sockets.readBuffer)
	for {
		n, err := k.stream.Read(buffer)
		if n > 0 {
			if !k.loop.Post(func() { k.received(buffer[:n]) }) {
				return
			}
			select {
			case <-k.taken:
			case <-k.done:
				return
			}
		}
		if err != nil {
			k.loop.Post(func() { k.ended(err) })
			return
		}
	}
}

func (k *link) writeAll() {
	var batch []byte
	for range k.signal {
		for {
			k.mu.Lock()
			count := min(len(k.out), writeChunk)
			batch = append(batch[:0], k.out[:count]...)
			released, farewell, failed := k.released, k.farewell, k.failure != nil
			k.farewell = farewell && count > 0
			k.mu.Unlock()
			if count > 0 && !failed {
				_, err := k.stream.Write(batch)
				k.wrote(count, err)
				continue
			}
			if farewell && count == 0 {
				_ = k.stream.CloseWrite() // it fails where the stream has ended
			}
			if released {
				_ = k.stream.Close() // nobody is left to be told
				return
			}
			break
		}
	}
}

// wrote notes that the kernel took bytes, or failed. Of a failure the reader
// tells, after what the peer sent before.
func (k *link) wrote(count int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failure = err
	k.out = k.out[:copy(k.out, k.out[count:])]
}

func (k *link) write(b []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failure != nil {
		return k.failure
	}
	k.out = append(k.out, b...)
	k.wakeWriter()
	return nil
}

func (k *link) closeWrite() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.farewell = true
	k.wakeWriter()
	return k.failure
}

func (k *link) buffered() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.out)
}

// release ends the link. It runs on the loop, once.
func (k *link) release(reset bool) {
	k.conn = nil
	k.cancel()
	close(k.done)
	if k.stream == nil {
		return
	}
	// Errors below mean that the stream has ended already, as it shall.
	now := time.Now()
	_ = k.stream.SetReadDeadline(now)
	_ = k.stream.SetWriteDeadline(now.Add(closeGrace))
	if reset {
		_ = k.stream.SetLinger(0)
		_ = k.stream.Close()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.released = true
	k.wakeWriter()
}

func (k *link) wakeWriter() {
	select {
	case k.signal <- struct{}{}:
	default:
	}
}
