package tcp

import (
	"slices"
	"testing"
)

// guest is a user at a gate; it notes its turn.
type guest struct {
	number int
	place  Place
	turns  *[]int
	gate   *Gate
	fails  bool // its connect fails at once
}

func (g *guest) Place() *Place { return &g.place }

func (g *guest) Connect() {
	*g.turns = append(*g.turns, g.number)
	if g.fails {
		g.gate.Leave(g)
	}
}

func guests(limit, count int) (*Gate, []*guest, *[]int) {
	gate, turns := (&Options{InFlight: limit}).NewGate(), &[]int{}
	var list []*guest
	for i := range count {
		list = append(list, &guest{number: i, turns: turns, gate: gate})
	}
	return gate, list, turns
}

func TestGateWithoutLimit(t *testing.T) {
	gate, list, turns := guests(0, 100)
	for _, g := range list {
		gate.Enter(g)
	}
	if len(*turns) != 100 {
		t.Errorf("%d have connected, want all 100", len(*turns))
	}
	gate.Leave(list[0])
}

func TestGateLetsOneInForEachThatLeaves(t *testing.T) {
	gate, list, turns := guests(2, 5)
	for _, g := range list {
		gate.Enter(g)
	}
	want := [][]int{{0, 1}, {0, 1, 2}, {0, 1, 2, 3}, {0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}}
	for step, expected := range want {
		if !slices.Equal(*turns, expected) {
			t.Fatalf("after %d have left, %v have connected, want %v", step, *turns, expected)
		}
		gate.Leave(list[step])
		gate.Leave(list[step]) // the second does nothing
	}
}

func TestGatePassesOverThoseThatGaveUp(t *testing.T) {
	gate, list, turns := guests(1, 4)
	for _, g := range list {
		gate.Enter(g)
	}
	gate.Leave(list[1])
	gate.Leave(list[2])
	gate.Leave(list[0])
	if want := []int{0, 3}; !slices.Equal(*turns, want) {
		t.Errorf("%v have connected, want %v", *turns, want)
	}
}

// Connects that fail at once must neither use up the gate nor the stack.
func TestGateOutlastsConnectsThatFailAtOnce(t *testing.T) {
	gate, list, turns := guests(1, 100_000)
	for _, g := range list[1:] {
		g.fails = true
	}
	for _, g := range list {
		gate.Enter(g)
	}
	gate.Leave(list[0])
	if len(*turns) != len(list) {
		t.Errorf("%d have connected, want %d", len(*turns), len(list))
	}
	list[0].place = 0
	gate.Enter(list[0])
	if got := (*turns)[len(*turns)-1]; got != 0 {
		t.Errorf("the gate is shut: the last to connect was %d", got)
	}
}

// A queue that never runs empty must not grow for ever.
func TestGateForgetsThePassed(t *testing.T) {
	gate, list, turns := guests(1, 3)
	for round := range 100_000 {
		gate.Enter(list[round%3])
		if round >= 2 {
			gate.Leave(list[(round-2)%3])
		}
	}
	if len(*turns) < 99_000 {
		t.Fatalf("only %d turns", len(*turns))
	}
	if size := len(gate.waiting); size > 4096 {
		t.Errorf("the queue holds %d entries for 2 that wait", size)
	}
}
