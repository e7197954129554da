// Package user is the contract between Upsurge and the user classes it runs:
// what a class declares, what its users may call, and which goroutine calls
// them. Tasks of one's own implement it; nothing here does I/O.
//
// There are two kinds of users. An event user is a small object whose
// callbacks run on an event loop: it costs a few hundred bytes, so a machine
// holds millions of them. A blocking user is plain code on a goroutine of its
// own: easier to write, about 11 KB each.
package user

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"upsurge/worker/engine"
)

// Class is one kind of user. Its Name is the contract with the master: it
// must equal the name of the class in the master's locustfile.
type Class struct {
	Name string
	Help string // one line, shown by the command line
	// New returns a fresh definition with nothing set. It is called once for
	// each test and once for each listing of the options, from any goroutine.
	// The definition is an EventDefinition, a BlockingDefinition or, if the
	// kind follows from the options, a Chooser.
	New func() Definition
}

// Definition holds the options of a class for one test.
type Definition interface {
	// Options declares every option of the class, each bound to a field of
	// the definition; declaring one sets the field to its default.
	Options(*OptionSet)
	// Prepare is called once, after the options were read and before the
	// first user starts: resolve names, read files, check combinations. Its
	// error ends the class, not the worker, and is shown by the master.
	Prepare(context.Context, Test) error
}

// Chooser is a Definition whose options decide what kind of users it has.
type Chooser interface {
	Definition
	// Choose is called once, after Prepare has succeeded. The definition that
	// it returns, an EventDefinition or a BlockingDefinition, takes this one's
	// place; its own Options and Prepare are not called.
	Choose() Definition
}

// EventDefinition is a class whose users live on event loops.
type EventDefinition interface {
	Definition
	// Bind is called once for each loop, on that loop's goroutine, before
	// its first user. The source keeps what the loop's users share: one
	// pointer to it is all that a user needs to carry.
	Bind(Scope) EventSource
}

// EventSource makes the users of one class on one loop. Loop goroutine only.
type EventSource interface {
	NewUser() EventUser
}

// EventUser is one user on an event loop. All methods run on the loop's
// goroutine and must not block.
type EventUser interface {
	// Start is called once. The user dials, sets timers, and calls
	// Scope.Joined when it counts as present.
	Start()
	// Stop asks the user to leave. True: it has closed its connections,
	// cancelled its timers and, if it had joined, called Scope.Left. False:
	// something is in flight; the user then calls Scope.Ended when it has
	// left, or is killed when the stop timeout ends.
	Stop() bool
	// Kill ends the user at once, whatever is in flight, and is only called
	// after Stop returned false.
	Kill()
}

// Lingerer is an EventUser that may have nothing in flight any more after its
// Stop and only waits for the peer to close too. It is not killed when the stop
// timeout ends, but bounds the wait by itself; a quit does not wait for it.
type Lingerer interface {
	EventUser
	Lingering() bool
}

// BlockingDefinition is a class whose users each have a goroutine.
type BlockingDefinition interface {
	Definition
	// NewUser makes one user; it is called on that user's own goroutine.
	NewUser(Scope) BlockingUser
}

// BlockingUser is one user on its own goroutine. The methods are called one
// after the other, never at the same time.
type BlockingUser interface {
	// Start is called once before the first Iterate. An error is reported as
	// an exception and the user is started anew after a pause.
	Start(ctx context.Context) error
	// Iterate does one round of the user's work, a request say, and returns
	// how long to wait before the next. A user that is asked to leave
	// finishes its round; ctx is cancelled when the stop timeout ends. An
	// error is reported as an exception; failures of the system under test
	// belong in the Recorder instead.
	Iterate(ctx context.Context) (wait time.Duration, err error)
	// Close releases everything. It is called once, also after a failed Start.
	Close() error
}

// Test is what is known of a test before its first user starts.
type Test struct {
	Host   string // as the master's form or -H gave it; may be empty
	Logger *slog.Logger
	// Share is this process's part of what the processes of one worker
	// command have in common, such as source addresses.
	Share Share
}

// Share is the place of a process among those that one command started. The
// zero value is that of a process on its own.
type Share struct {
	Index int // from 0
	Count int // 0 and 1 both mean that there is no other
}

// Limited is a Definition that knows how many users of it a process can have.
type Limited interface {
	Definition
	// Capacity is asked once, after Prepare: the number of users, and the
	// arithmetic behind it with what can be done. More users than that are
	// refused, with this text, before they start.
	Capacity() (users int, why string)
}

// Presence is told when users come and go. Sched implements it; safe from
// the goroutine of the user it is about.
type Presence interface {
	// Joined counts a user as present, Left takes that back; a user that
	// loses its connection calls Left and, once it is back, Joined. What the
	// master shows as users is the sum.
	Joined()
	Left()
	// Ended says that an event user whose Stop returned false is gone.
	Ended(EventUser)
	// CutOff says that a user ended while something was in flight: the target
	// may have counted what we have not. The worker's log gives the sum.
	CutOff()
}

// Scope is what the users of one class share on one loop, or, for blocking
// users, on one recorder.
type Scope struct {
	Presence
	Recorder
	Loop   *engine.Loop // nil for blocking users
	Clock  engine.Clock
	Logger *slog.Logger
	// Advise logs what to do about a failure of the system's own limits
	// (descriptors, ports, ...): once for each kind in a test, however often
	// it is called. Safe from any goroutine.
	Advise func(engine.Failure)
}

// ErrUnknownClass says that a name from the master or the command line is
// the name of no class.
var ErrUnknownClass = errors.New("unknown user class")

// Find returns the class of that name, or ErrUnknownClass with the names
// that there are.
func Find(classes []Class, name string) (Class, error) {
	names := make([]string, 0, len(classes))
	for _, c := range classes {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return Class{}, fmt.Errorf("%w %q: this worker has %v; the class names in the master's locustfile must be among them", ErrUnknownClass, name, names)
}
