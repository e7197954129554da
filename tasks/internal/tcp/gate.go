package tcp

// gateSlack is how many passed entries a queue may keep before it is packed.
const gateSlack = 1024

// Gate lets a bounded number of connects of one loop be under way; the others
// wait for their turn in the order in which they came. Loop goroutine only.
type Gate struct {
	limit, inFlight int
	waiting         []Waiter
	next            int // the first of waiting that has not had its turn
	admitting       bool
}

// Waiter is a user that waits at a Gate.
type Waiter interface {
	// Connect is the user's turn.
	Connect()
	// Place is the user's place at the gate, which it keeps for it.
	Place() *Place
}

// Place is where a user is with respect to the gate: the zero value is
// outside. It is one byte, for there are a million of them.
type Place uint8

const (
	outside Place = iota
	queued
	admitted
)

// NewGate returns the gate of one loop.
func (o *Options) NewGate() *Gate { return &Gate{limit: o.InFlight} }

// Enter makes w connect, at once or when its turn comes.
func (g *Gate) Enter(w Waiter) {
	switch {
	case g.limit == 0:
		w.Connect()
	case g.inFlight < g.limit:
		g.admit(w)
	default:
		*w.Place() = queued
		g.waiting = append(g.waiting, w)
	}
}

func (g *Gate) admit(w Waiter) {
	g.inFlight++
	*w.Place() = admitted
	w.Connect()
}

// Leave has to be called when a connect has succeeded, failed or been given
// up; a user that waits gives up its turn. Further calls do nothing.
func (g *Gate) Leave(w Waiter) {
	place := w.Place()
	if *place == admitted {
		g.inFlight--
	}
	*place = outside
	if g.admitting { // a connect failed at once; the call below goes on
		return
	}
	g.admitting = true
	for g.inFlight < g.limit && g.next < len(g.waiting) {
		first := g.waiting[g.next]
		g.waiting[g.next] = nil // or the queue would keep it alive
		g.next++
		if *first.Place() == queued { // it may have given up
			g.admit(first)
		}
	}
	g.admitting = false
	g.pack()
}

// pack forgets the entries that have had their turn.
func (g *Gate) pack() {
	switch {
	case g.next == len(g.waiting):
		g.waiting, g.next = nil, 0
	case g.next >= gateSlack && g.next*2 >= len(g.waiting):
		g.waiting = append([]Waiter(nil), g.waiting[g.next:]...)
		g.next = 0
	}
}
