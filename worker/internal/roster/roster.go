// Package roster holds the users of one event loop: it starts them evenly
// over a window, stops the newest first, and kills what outstays the stop
// timeout. Everything but the counts belongs to the loop's goroutine.
package roster

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// Config is what a roster needs of its worker.
type Config struct {
	Loop *engine.Loop
	// Clock is the engine's.
	Clock engine.Clock
	// Event and Blocking take the samples of the users of either kind: the
	// first may only be called on the loop, the second from anywhere.
	Event, Blocking user.Recorder
	Logger          *slog.Logger
	Advise          func(engine.Failure)
	// Changed is called on the loop after users came, went or settled.
	Changed func()
}

// Roster is one loop's users. Make one with New; its methods, but for those
// of Group that say otherwise, are for the loop's goroutine.
type Roster struct {
	config Config
	groups map[string]*Group
}

// New returns an empty roster.
func New(config Config) *Roster {
	return &Roster{config: config, groups: make(map[string]*Group)}
}

// Open adds a group for the users of a class, whose definition was prepared.
// Replacing a group of an earlier test is allowed once that is empty.
func (r *Roster) Open(class string, definition user.Definition) (group *Group, err error) {
	if old := r.groups[class]; old != nil && !old.empty() {
		return nil, fmt.Errorf("class %s: %d users of the test before have not left yet", class, old.Placed())
	}
	group = &Group{class: class, roster: r}
	group.scope = user.Scope{
		Presence: group, Loop: r.config.Loop, Clock: r.config.Clock,
		Logger: r.config.Logger, Advise: r.config.Advise,
	}
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("class %s: Bind panicked: %v\n%s", class, cause, debug.Stack())
		}
	}()
	switch definition := definition.(type) {
	case user.EventDefinition:
		group.scope.Recorder = r.config.Event
		group.crew = &eventCrew{group: group, source: definition.Bind(group.scope)}
	case user.BlockingDefinition:
		group.scope.Recorder, group.scope.Loop = r.config.Blocking, nil
		group.crew = newBlockingCrew(group, definition)
	default:
		return nil, fmt.Errorf("class %s: its definition %T is neither a user.EventDefinition nor a user.BlockingDefinition", class, definition)
	}
	r.groups[class] = group
	return group, nil
}

// Change starts (n > 0) or stops (n < 0) users of a class, spread evenly over
// the window from now; the first at once. Starts that an earlier call still
// had to make are spread anew with these; stops take them back first. A user
// with work in flight at its stop gets the grace, then is killed.
func (r *Roster) Change(class string, n int, window, grace time.Duration) {
	if group := r.groups[class]; group != nil {
		group.change(n, window, grace)
	}
}

// Clear stops every user of every class: those with work in flight get the
// grace, then are killed. The patient let a user.Lingerer wait on for its
// peer. Changed is called when the last has left.
func (r *Roster) Clear(grace time.Duration, patient bool) {
	for _, group := range r.groups {
		group.clear(grace, patient)
	}
	r.config.Changed()
}

// Empty says whether no user is left.
func (r *Roster) Empty() bool {
	for _, group := range r.groups {
		if !group.empty() {
			return false
		}
	}
	return true
}

// Wait blocks until the goroutines of all blocking users have ended. Not for
// the loop's goroutine: call it when the loop has ended or is empty.
func (r *Roster) Wait(ctx context.Context) error {
	for _, group := range r.groups {
		if err := group.crew.wait(ctx); err != nil {
			return fmt.Errorf("waiting for the users of class %s to end: %w", group.class, err)
		}
	}
	return nil
}
