package fleet_test

import (
	"log/slog"
	"strings"
	"testing"

	"upsurge/worker/internal/fleet"
	"upsurge/worker/user"
)

// bounded is a class of scribes for whose users there is little room.
type bounded struct {
	scribes
	room int
}

func (b bounded) Capacity() (users int, why string) {
	return b.room, "1 source address × 5 local ports × 1 targets = 5 connections"
}

func boundedClass(room int) user.Class {
	return user.Class{Name: "Bounded", New: func() user.Definition {
		return bounded{scribes{&ledger{books: newBooks()}}, room}
	}}
}

func TestPlanWithoutRoomIsRefusedBeforeItBegins(t *testing.T) {
	h := launch(t, slog.DiscardHandler, boundedClass(5))
	h.begin()
	h.Apply(map[string]int{"Bounded": 6}, 0, 0)
	h.until("the class has failed", func() bool { return h.Placed() })
	if counts, sum := h.Counts(); sum != 0 {
		t.Errorf("%v users have started", counts)
	}
	shown := h.exceptions()
	if len(shown) != 1 || !strings.Contains(shown[0], "6 are wanted") || !strings.Contains(shown[0], "× 5 local ports ×") {
		t.Errorf("shown %q, want one exception with the number and the arithmetic", shown)
	}
}

func TestUsersBeyondTheRoomAreRefusedOnce(t *testing.T) {
	h := launch(t, slog.DiscardHandler, boundedClass(5))
	h.begin()
	present := func(want int) func() bool {
		return func() bool { _, sum := h.Counts(); return h.Placed() && sum == want }
	}
	for _, step := range []struct{ wanted, present int }{{3, 3}, {6, 5}, {9, 5}, {4, 4}} {
		h.Apply(map[string]int{"Bounded": step.wanted}, 0, 0)
		h.until("as many are there as there is room for", present(step.present))
	}
	if shown := h.exceptions(); len(shown) != 1 || !strings.Contains(shown[0], fleet.ErrNoRoom.Error()) {
		t.Errorf("shown %q, want one exception", shown)
	}
}
