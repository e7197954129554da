package zmq

import (
	"errors"
	"time"
)

// Kind tells what an Event reports.
type Kind uint8

// The kinds of events. For each epoch: one Up, any number of Messages, one
// Down.
const (
	Up      Kind = iota + 1 // the handshake is complete; Send works from here on
	Down                    // the connection of that epoch ended; Err says why
	Message                 // Data is one message of the peer, owned by the receiver
)

// String is the kind's name.
func (k Kind) String() string {
	switch k {
	case Up:
		return "up"
	case Down:
		return "down"
	case Message:
		return "message"
	default:
		return "unknown"
	}
}

// Event is what a Dealer tells its consumer.
type Event struct {
	Kind  Kind
	Epoch uint64 // number of the connection, from 1
	Err   error  // Down only
	Data  []byte // Message only; empty for an empty message
	// Peer, of Up only, is the IP address that the name led to.
	Peer string
	// Delivered, of Down only, is how many of the connection's messages reached
	// the peer for certain. Of those after it the ones may have, too, whose
	// proof was on its way back.
	Delivered uint64
	// Quiet, of Down only, is how long the peer had not been heard.
	Quiet time.Duration
}

// Errors of Send and Flush.
var (
	ErrNotConnected = errors.New("not connected to the master")
	ErrStale        = errors.New("message belongs to an earlier connection")
	ErrQueueFull    = errors.New("queue to the master is full")
	ErrTooLarge     = errors.New("message is longer than the frame limit")
)

// Reasons why a connection ended or was never made, to be found with
// errors.Is in Event.Err and in what OnDialError gets.
var (
	ErrReset       = errors.New("connection reset on request")
	ErrStopped     = errors.New("transport stopped")
	ErrPeerClosed  = errors.New("master closed the connection")
	ErrSilent      = errors.New("master is silent")
	ErrNotZeroMQ   = errors.New("peer does not speak ZeroMQ")
	ErrVersion     = errors.New("peer speaks an old ZeroMQ protocol")
	ErrMechanism   = errors.New("peer wants another security mechanism")
	ErrSocketType  = errors.New("peer is not a ROUTER socket")
	ErrSelfConnect = errors.New("connected to itself")
	ErrProtocol    = errors.New("peer broke the ZeroMQ protocol")
)

// errRunTwice is what a second call of Run returns.
var errRunTwice = errors.New("transport: Run may be called once")
