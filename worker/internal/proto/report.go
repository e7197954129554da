package proto

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Report is what a worker sends. Append adds the encoded message to dst and
// returns the longer slice; after an error it returns dst as it was. The node
// is the worker's id, the same that its connection has as identity.
type Report interface {
	Append(dst []byte, node string) ([]byte, error)
}

// State is what a worker says it is doing. A master that reads any other
// state counts the worker as gone and may end the test.
type State string

// The states that a master knows.
const (
	StateReady    State = "ready"
	StateSpawning State = "spawning"
	StateRunning  State = "running"
)

// ErrUnsendable says that a message holds something that a master can't
// take: sending it would deafen the master or spoil its statistics.
var ErrUnsendable = errors.New("a Locust master can't take this")

// clientReadyVersion stands for the worker's version. Locust warns about
// every version that differs from its own, except this one.
const clientReadyVersion = -1

// ClientReady says that the worker is here and idle. Send it once for each
// connection and after each stop: a second one while a test runs makes the
// master count the worker twice.
type ClientReady struct{}

// WorkerHeartbeat is due every second; after four without one the master
// takes the worker for missing.
type WorkerHeartbeat struct {
	State State
	// CPUPercent of what the process may use, 0 to 100; sent with one decimal.
	CPUPercent float64
	// MemoryBytes resident.
	MemoryBytes int64
}

// Spawning says that a Spawn was accepted.
type Spawning struct{}

// WorkerSpawningComplete says that the last Spawn's targets are reached.
type WorkerSpawningComplete struct {
	UserClassesCount map[string]int
	UserCount        int
}

// Exception is an error of a user class. The master groups by Traceback
// alone and shows the first Message of a group.
type Exception struct {
	Message, Traceback string
}

// Logs holds all lines that the worker's page shall show; they replace the
// earlier ones. Masters before 2.29 warn about it.
type Logs struct {
	WorkerID string
	Lines    []string
}

// ClientStopped says that all users have ended after a Stop. Send the last
// Stats before it: what comes later may count for the next test.
type ClientStopped struct{}

// WorkerQuit says that the worker leaves.
type WorkerQuit struct{}

// WorkerCustom is a message for a listener that the master's locustfile
// registered under Type; a master without one warns each time.
type WorkerCustom struct {
	Type string
	// Data is nil, bools, numbers, strings, []byte, or slices and maps of
	// these; keys of maps are strings or signed integers. Floats that aren't
	// finite are sent as nil.
	Data any
}

var (
	_ Report = ClientReady{}
	_ Report = WorkerHeartbeat{}
	_ Report = Spawning{}
	_ Report = WorkerSpawningComplete{}
	_ Report = Stats{}
	_ Report = Exception{}
	_ Report = Logs{}
	_ Report = ClientStopped{}
	_ Report = WorkerQuit{}
	_ Report = WorkerCustom{}
)

// Append implements Report.
func (ClientReady) Append(dst []byte, node string) ([]byte, error) {
	return appendMessage(dst, typeClientReady, node, func(w *writer) { w.integer(clientReadyVersion) })
}

// Append implements Report. It refuses a State that isn't one of the three.
func (m WorkerHeartbeat) Append(dst []byte, node string) ([]byte, error) {
	return appendMessage(dst, typeHeartbeat, node, func(w *writer) {
		switch m.State {
		case StateReady, StateSpawning, StateRunning:
		default:
			w.fail(fmt.Errorf("%w: state %q is not ready, spawning or running", ErrUnsendable, m.State))
		}
		w.mapHeader(3)
		w.key("state")
		w.text(string(m.State), MaxNameBytes)
		w.key("current_cpu_usage")
		w.float(oneDecimal(m.CPUPercent))
		w.key("current_memory_usage")
		w.integer(max(m.MemoryBytes, 0))
	})
}

// oneDecimal rounds for the worker table, which prints the number as it is.
// A heartbeat must never be lost, so what is no percentage becomes 0.
func oneDecimal(percent float64) float64 {
	if !finite(percent) || percent < 0 {
		return 0
	}
	return math.Round(percent*10) / 10
}

// Append implements Report.
func (Spawning) Append(dst []byte, node string) ([]byte, error) {
	return appendMessage(dst, typeSpawning, node, (*writer).null)
}

// Append implements Report.
func (m WorkerSpawningComplete) Append(dst []byte, node string) ([]byte, error) {
	return appendMessage(dst, typeSpawningComplete, node, func(w *writer) {
		w.mapHeader(2)
		w.key("user_classes_count")
		w.counts(m.UserClassesCount)
		w.key("user_count")
		w.integer(int64(m.UserCount))
	})
}

// Append implements Report.
func (m Exception) Append(dst []byte, node string) ([]byte, error) {
	return appendMessage(dst, typeException, node, func(w *writer) {
		w.mapHeader(2)
		w.key("msg")
		w.text(m.Message, MaxErrorBytes)
		w.key("traceback")
		w.text(m.Traceback, MaxTracebackBytes)
	})
}

// Append implements Report.
func (m Logs) Append(dst []byte, node string) ([]byte, error) {
	return appendMessage(dst, typeLogs, node, func(w *writer) {
		w.mapHeader(2)
		w.key("worker_id")
		w.text(m.WorkerID, maxNodeBytes)
		w.key("logs")
		w.arrayHeader(len(m.Lines))
		for _, line := range m.Lines {
			w.text(line, MaxLogLineBytes)
		}
	})
}

// Append implements Report.
func (ClientStopped) Append(dst []byte, node string) ([]byte, error) {
	return appendMessage(dst, typeClientStopped, node, (*writer).null)
}

// Append implements Report.
func (WorkerQuit) Append(dst []byte, node string) ([]byte, error) {
	return appendMessage(dst, typeQuit, node, (*writer).null)
}

// ownTypes are the types that a master takes apart itself; a custom message
// of such a type with other data would end its receive loop.
var ownTypes = []string{
	typeClientReady, typeClientStopped, typeException, typeHeartbeat, typeLocustfile,
	typeLogs, typeQuit, typeSpawning, typeSpawningComplete, typeStats,
}

// Append implements Report. It refuses types that are Locust's own, and data
// of other kinds than Data lists.
func (m WorkerCustom) Append(dst []byte, node string) ([]byte, error) {
	if m.Type == "" || len(m.Type) > maxTypeBytes || slices.Contains(ownTypes, m.Type) {
		return dst, fmt.Errorf("%w: custom message of type %.40q; take a name of your own of 1 to %d bytes", ErrUnsendable, m.Type, maxTypeBytes)
	}
	return appendMessage(dst, m.Type, node, func(w *writer) { w.value(m.Data, 0) })
}
