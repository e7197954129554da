package relay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// connection is one worker's way to the master.
type connection struct {
	number  int
	side    [2]net.Conn   // by the Direction whose end it is: [ToMaster] is the master's
	writing [2]sync.Mutex // one writer of whole frames at a time

	// Guarded by the relay's lock. What was read waits in queued, so that the
	// end of a side is noticed also while a blackhole holds its last words.
	queued   [2][][]byte
	gone     [2]bool // the source of this direction has ended
	halfOpen bool    // the end of one side is never told to the other
}

// opposite is the other direction.
func opposite(direction Direction) Direction { return ToMaster + ToWorker - direction }

// write sends whole frames. Any goroutine.
func (c *connection) write(to Direction, frame []byte) error {
	c.writing[to].Lock()
	defer c.writing[to].Unlock()
	_, err := c.side[to].Write(frame)
	return err
}

func (c *connection) end(withReset bool) {
	for _, side := range c.side {
		if withReset {
			reset(side)
		} else {
			_ = side.Close() // it may have ended by itself
		}
	}
}

// carry owns a connection until both its directions have ended.
func (r *Relay) carry(number int, worker, master net.Conn) {
	c := &connection{number: number, side: [2]net.Conn{ToMaster: master, ToWorker: worker}}
	r.mu.Lock()
	r.connections[number] = c
	if r.closed {
		c.end(false)
	}
	r.mu.Unlock()
	var carrying sync.WaitGroup
	for _, direction := range []Direction{ToMaster, ToWorker} {
		carrying.Go(func() { r.read(c, direction) })
		carrying.Go(func() { r.deliver(c, direction) })
	}
	carrying.Wait()
	r.mu.Lock()
	delete(r.connections, number)
	r.mu.Unlock()
}

// arrival is a frame with the moment at which all of it was there.
type arrival struct {
	frame []byte
	body  int
	at    time.Time
}

// arrivals is how many frames may wait to be looked at. A report of megabytes
// takes longer to decode than the next message takes to come, whose moment
// must be its own.
const arrivals = 1000

// read takes in one direction to its end.
func (r *Relay) read(c *connection, direction Direction) {
	source := bufio.NewReaderSize(c.side[opposite(direction)], 64<<10)
	err := r.greeting(c, direction, source)
	arrived := make(chan arrival, arrivals)
	var looking sync.WaitGroup
	looking.Go(func() {
		for a := range arrived {
			r.look(c, direction, a)
		}
	})
	for err == nil {
		var a arrival
		if a.frame, a.body, err = readFrame(source); err == nil {
			a.at = time.Now()
			arrived <- a
		}
	}
	close(arrived)
	looking.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(err, errFrame) {
		r.faults = append(r.faults, err)
	}
	c.gone[direction] = true
	r.changed.Broadcast()
}

// deliver writes what read took in, and then tells the other side of the end.
func (r *Relay) deliver(c *connection, direction Direction) {
	for {
		frames, ended := r.next(c, direction)
		for _, frame := range frames {
			if c.write(direction, frame) != nil {
				ended = true
				break
			}
		}
		if ended {
			c.end(false)
			return
		}
	}
}

// next waits for what may be delivered now, or for the end.
func (r *Relay) next(c *connection, direction Direction) (frames [][]byte, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.closed {
		switch {
		case c.gone[ToMaster] && c.gone[ToWorker]:
			return nil, true
		case r.blackhole[direction] || c.halfOpen:
		case len(c.queued[direction]) > 0:
			frames, c.queued[direction] = c.queued[direction], nil
			return frames, false
		case c.gone[direction]:
			return nil, true
		}
		r.changed.Wait()
	}
	return nil, true
}

func (r *Relay) queue(c *connection, direction Direction, frame []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.queued[direction] = append(c.queued[direction], frame)
	r.changed.Broadcast()
}

// greeting passes the greeting on as it comes: its second half waits for the
// other side's first.
func (r *Relay) greeting(c *connection, direction Direction, source *bufio.Reader) error {
	for rest := greetingBytes; rest > 0; {
		if _, err := source.Peek(1); err != nil {
			return err
		}
		part := make([]byte, min(rest, source.Buffered()))
		if _, err := io.ReadFull(source, part); err != nil {
			return err
		}
		r.queue(c, direction, part)
		rest -= len(part)
	}
	return nil
}

// look notes a frame and passes it on.
func (r *Relay) look(c *connection, direction Direction, a arrival) {
	if a.frame[0]&flagCommand != 0 {
		r.queue(c, direction, a.frame)
		return
	}
	switch verdict := r.note(c, direction, a); {
	case verdict.Drop:
	case verdict.Delay > 0:
		time.AfterFunc(verdict.Delay, func() { r.queue(c, direction, a.frame) })
	default:
		r.queue(c, direction, a.frame)
	}
}

// note keeps a message and asks what shall become of it.
func (r *Relay) note(c *connection, direction Direction, a arrival) Verdict {
	m := Message{At: a.at, Direction: direction, Connection: c.number, Bytes: len(a.frame) - a.body}
	var err error
	m.Type, m.Data, m.Node, err = decode(a.frame[a.body:])
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.faults = append(r.faults, fmt.Errorf("message of %d bytes: %w", m.Bytes, err))
	}
	r.seen = append(r.seen, m)
	if r.judge == nil {
		return Verdict{}
	}
	return r.judge(m)
}
