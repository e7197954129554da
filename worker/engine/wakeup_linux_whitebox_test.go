//go:build linux && !portable

package engine

import "testing"

// The look before a sleep takes the wake-up for what was posted after the
// timeout was computed; the sleep must not come then.
func TestPostIsNotLostToTheLookBeforeASleep(t *testing.T) {
	e, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	l := e.Loops()[0]
	timeout := l.idleTime() // nothing to do: for ever
	l.sockets.count = 1     // as after a turn with an event
	l.Post(func() {})
	if err := l.wait(timeout); err != nil {
		t.Fatal(err)
	}
	if l.idleTime() != 0 {
		t.Error("what was posted is forgotten")
	}
}
