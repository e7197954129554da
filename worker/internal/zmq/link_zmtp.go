//go:build !goczmq

package zmq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Name is the build of this package: pure Go, or on libczmq.
const Name = "zmtp"

const (
	batchBytes = 64 << 10 // messages coalesced into one Write
	keepBuffer = 1 << 20  // a longer write buffer is given back after use
	pongQueue  = 16       // answers to PINGs that wait for the writer
)

// link is one connection after its handshake. Three goroutines share it: the
// one in serve owns it, one reads, one writes.
type link struct {
	conn   *timedConn
	reader *frameReader
	pongs  chan []byte   // contexts of the peer's PINGs
	ending chan struct{} // closed when the writer shall finish
	ended  chan struct{} // closed when the writer is gone
	// written counts the messages of this connection up to and with the last
	// Write that was begun. The writer counts, the reader checks answers by it.
	written atomic.Uint64
	proof   chan struct{} // cap 1; a token when more was proved to have arrived
	deaf    chan struct{} // closed when the reader is gone
	parted  bool          // the peer closed its side; for mayBeHeld, once the reader has ended
}

// connect dials the master and shakes hands.
func connect(ctx context.Context, config Config) (*link, error) {
	conn, reader, err := dial(ctx, config, config.Identity)
	if err != nil {
		return nil, err
	}
	conn.limit = config.ReadTimeout
	return &link{
		conn:   conn,
		reader: reader,
		pongs:  make(chan []byte, pongQueue),
		ending: make(chan struct{}),
		ended:  make(chan struct{}),
		proof:  make(chan struct{}, 1),
		deaf:   make(chan struct{}),
	}, nil
}

// serve moves messages both ways until the connection ends, and returns why.
// When ctx is the reason, the queue is written first.
func (l *link) serve(ctx context.Context, d *Dealer, epoch uint64) error {
	var tasks sync.WaitGroup
	readEnd, writeEnd := make(chan error, 1), make(chan error, 1)
	tasks.Go(func() {
		defer close(l.deaf)
		readEnd <- l.read(d, epoch)
	})
	tasks.Go(func() {
		defer close(l.ended)
		writeEnd <- l.write(d)
	})
	settled := time.NewTimer(d.config.healthyAfter())
	defer settled.Stop()

	var err error
	for err == nil {
		select {
		case <-ctx.Done():
			err = ErrStopped
		case reason := <-d.resets:
			err = fmt.Errorf("%w: %s", ErrReset, reason)
		case err = <-readEnd:
		case err = <-writeEnd:
		case <-settled.C:
			d.report.settled(epoch)
		}
	}
	if errors.Is(err, ErrStopped) {
		d.outbox.shut()
	} else {
		d.outbox.drop()
	}
	// The writer finishes its queue, waits for the proof that it arrived and
	// sends a FIN; the reader reads on until the peer has closed its side too.
	// Closing at once would send a RST if anything had arrived unread, and on a
	// RST the peer's kernel throws away what the peer has not read yet.
	close(l.ending)
	limit := time.AfterFunc(d.config.Linger, func() { _ = l.conn.Close() })
	tasks.Wait()
	limit.Stop()
	_ = l.conn.Close()
	return err
}

// mayBeHeld tells, once serve has returned, whether the peer may know nothing
// of the connection's end: it closed its side, or a RST came, but RSTs may also
// come from between the two.
func (l *link) mayBeHeld() bool { return !l.parted }

// peer is the address of the other side, without the port.
func (l *link) peer() string { return l.conn.RemoteAddr().(*net.TCPAddr).IP.String() }

// read hands messages to the consumer until the connection ends.
func (l *link) read(d *Dealer, epoch uint64) error {
	joining, warned := false, false
	for {
		h, body, err := l.reader.next()
		if err == nil {
			d.hear()
		}
		l.parted = errors.Is(err, io.EOF)
		switch {
		case err != nil:
			return l.readError(err)
		case h.command():
			if err := l.command(d, body); err != nil {
				return err
			}
		case h.more() || joining:
			joining = h.more()
			if !warned {
				warned = true
				d.report.multipart(epoch)
			}
		default:
			d.events <- Event{Kind: Message, Epoch: epoch, Data: body}
		}
	}
}

// readError explains the end of the stream.
func (l *link) readError(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return ErrPeerClosed
	case isClosed(err):
		return fmt.Errorf("%w: %w", ErrPeerClosed, err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: nothing received for %v, not even answers to PINGs", ErrSilent, l.conn.limit)
	default:
		return fmt.Errorf("read from the master: %w", err)
	}
}

// command obeys a command of the peer. Commands that need no answer, and those
// of later versions, are passed over as libzmq does.
func (l *link) command(d *Dealer, body []byte) error {
	name, data, err := parseCommand(body)
	if err != nil {
		return err
	}
	switch name {
	case commandPing:
		pingContext, err := parsePing(data)
		if err != nil {
			return err
		}
		select {
		case l.pongs <- pingContext:
		case <-l.ended:
		}
	case commandPong:
		// No peer can have read more than was written, whatever it says.
		if written, ok := parsePong(data); ok && written <= l.written.Load() {
			d.delivered.Store(written)
			select {
			case l.proof <- struct{}{}:
			default:
			}
		}
	case commandError:
		return fmt.Errorf("%w: it reports %q", ErrProtocol, errorReason(data))
	}
	return nil
}

// write sends messages, PINGs and PONGs until it shall end or fails. It is the
// only writer, so frames never mix.
//
// A PING follows whatever else was written. The peer starts the TTL of a PING
// anew with it, and any other frame disarms it: with the PING last, a master
// that lost the path drops the connection in time, and a worker that dials
// again with the same identity is heard. Its answer says what was delivered.
func (l *link) write(d *Dealer) error {
	var (
		buffer []byte
		batch  [][]byte
		ticker = time.NewTicker(d.config.PingInterval)
	)
	defer ticker.Stop()
	buffer = appendPing(buffer, d.config.PingTTL, 0)
	for {
		if _, err := l.conn.Write(buffer); err != nil {
			return fmt.Errorf("write to the master: %w", err)
		}
		d.outbox.settle(batch)
		ticker.Reset(d.config.PingInterval)
		if cap(buffer) > keepBuffer {
			buffer = nil
		}
		buffer = buffer[:0]
		clear(batch)
		batch = batch[:0]

		ending := false
		select {
		case <-l.ending:
			ending = true
		case <-d.outbox.ready:
		case pingContext := <-l.pongs:
			buffer = appendPong(buffer, pingContext)
		case <-ticker.C:
		}
		batch = d.outbox.take(batch, batchBytes)
		if ending && len(batch) == 0 {
			l.awaitProof(d)
			return l.finish()
		}
		for _, body := range batch {
			buffer = appendMessage(buffer, body)
		}
		buffer = appendPing(buffer, d.config.PingTTL, l.written.Add(uint64(len(batch))))
	}
}

// awaitProof waits for the answer to the last PING: what stands between the two
// may drop it once there is a FIN. The end of the reader ends the wait.
func (l *link) awaitProof(d *Dealer) {
	for d.delivered.Load() < l.written.Load() {
		select {
		case <-l.proof:
		case <-l.deaf:
			return
		}
	}
}

// finish sends the FIN.
func (l *link) finish() error {
	if err := l.conn.CloseWrite(); err != nil {
		return fmt.Errorf("close the connection to the master: %w", err)
	}
	return nil
}
