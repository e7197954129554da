// Package proto translates between Locust's messages and their msgpack form,
// and does nothing else: no I/O, no clock, no state. Everything in it may be
// called from any goroutine.
//
// A message is an array of exactly three: its type, its data, and the id of
// the worker that it is from or for. Types without a prefix are what a master
// sends; Decode makes them. Types with an Append method are what a worker
// sends; where both sides use one name the worker's has the prefix Worker.
//
// A master's receive loop ends for good on the first message that it can't
// take apart, while the master itself runs on, deaf. The encoders therefore
// refuse whatever Locust 2.12 or later is known to stumble over, and make
// every text valid UTF-8.
package proto

import "time"

// Message is what a master sends: Ack, Spawn, Stop, Quit, Reconnect,
// Heartbeat, SpawningComplete, UpdateUserClass or Custom.
type Message interface {
	messageType() string
}

// Ack answers ClientReady.
type Ack struct {
	// Index numbers the workers of one master from 0; it is stable for an id
	// as long as the master lives. -1: the master sent none.
	Index int
}

// Spawn sets how many users of each class this worker shall run. The counts
// are absolute.
type Spawn struct {
	// Timestamp is the master's clock in seconds since 1970. Discard a Spawn
	// whose Timestamp isn't above that of the last one accepted.
	Timestamp float64
	// UserClassesCount holds every class of the test, those with 0 included.
	UserClassesCount map[string]int
	// Host is "" if the master has none.
	Host string
	// StopTimeout is how long a stopped user may take to finish its work;
	// 0 ends it at once. Locust 2.12 sends nil for 0.
	StopTimeout time.Duration
	// ParsedOptions is the master's whole command line. Undecoded, because it
	// comes with every step of a ramp and is wanted once for each test.
	ParsedOptions RawMap
}

// Stop ends the test; the worker stays.
type Stop struct{}

// Quit ends the worker.
type Quit struct{}

// Reconnect asks the worker to close its connection and open it anew, with
// the same id and without another ClientReady.
type Reconnect struct{}

// Heartbeat answers WorkerHeartbeat; masters before 2.19 send none.
type Heartbeat struct{}

// SpawningComplete says that all workers have reached their targets; masters
// before 2.29 send none.
type SpawningComplete struct {
	UserCount int // of the whole test
}

// UpdateUserClass changes attributes of a class; from 2.25.
type UpdateUserClass struct {
	ClassName string
	Data      RawData // the whole map, the name included
}

// Custom is every message of a type that is none of the above.
type Custom struct {
	Type string
	Data RawData
}

func (Ack) messageType() string              { return typeAck }
func (Spawn) messageType() string            { return typeSpawn }
func (Stop) messageType() string             { return typeStop }
func (Quit) messageType() string             { return typeQuit }
func (Reconnect) messageType() string        { return typeReconnect }
func (Heartbeat) messageType() string        { return typeHeartbeat }
func (SpawningComplete) messageType() string { return typeSpawningComplete }
func (UpdateUserClass) messageType() string  { return typeUpdateUserClass }
func (m Custom) messageType() string         { return m.Type }

// TypeOf returns the name that a message has on the wire, for logs.
func TypeOf(m Message) string { return m.messageType() }

// The names of the messages on the wire.
const (
	typeAck              = "ack"
	typeClientReady      = "client_ready"
	typeClientStopped    = "client_stopped"
	typeException        = "exception"
	typeHeartbeat        = "heartbeat"
	typeLocustfile       = "locustfile"
	typeLogs             = "logs"
	typeQuit             = "quit"
	typeReconnect        = "reconnect"
	typeSpawn            = "spawn"
	typeSpawning         = "spawning"
	typeSpawningComplete = "spawning_complete"
	typeStats            = "stats"
	typeStop             = "stop"
	typeUpdateUserClass  = "update_user_class"
)
