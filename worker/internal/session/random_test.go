package session_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"upsurge/worker/internal/proto"
	"upsurge/worker/internal/session"
)

// witness knows what was said on a connection and finds what must never be
// said next, from the master's side: it looks at effects, not at the rows.
type witness struct {
	*conversation
	up         bool // the transport has a connection
	abandoned  bool // the worker asked for another one
	registered bool // client_ready or a resumption on this connection
	known      bool // the master has shown on it that it knows the worker
	waiting    bool // client_ready went out, no ack yet
	stopped    bool // client_stopped went out, no client_ready yet
	readies    int  // client_ready on this connection since the last reason for one
	heard      time.Duration
	downSince  time.Duration
	left       bool
	refused    bool // a connection since the last ack came after a refusal
}

// One random thing happens.
func (w *witness) act(choice byte) {
	w.now += time.Duration(choice>>4) * 330 * ms
	switch choice & 15 {
	case 0, 1:
		if w.up {
			return // the transport says Down before each new Up
		}
		w.up, w.abandoned, w.registered, w.known, w.waiting, w.stopped, w.readies = true, false, false, false, false, false, 0
		w.heard += w.now - w.downSince
		resuming := w.State() != session.Ready && w.State() != session.Rejoining
		w.refused = w.refused || choice&15 == 1
		effects := w.Up(w.now, choice&15 == 1)
		w.registered = resuming && len(effects) > 0
		w.check(effects)
	case 2:
		w.downSince = w.now
		w.up = false
		w.Down(w.now, 0)
	case 3:
		w.waiting = false
		w.refused = w.refused && !w.up
		w.message(proto.Ack{Index: 1})
	case 4:
		w.message(proto.Heartbeat{})
	case 5:
		w.message(proto.SpawningComplete{})
	case 6:
		w.timestamp++
		w.message(proto.Spawn{Timestamp: w.timestamp})
	case 7:
		w.message(proto.Spawn{Timestamp: w.timestamp - float64(choice>>4)})
	case 8:
		w.message(proto.Stop{})
	case 9:
		if choice>>4 == 0 { // rarer: little follows a quit
			w.message(proto.Quit{})
		}
	case 10:
		w.message(proto.Reconnect{})
	case 11, 12:
		w.pass(choice&15 == 11)
	case 13:
		w.check(w.Step(w.now, session.TargetReached))
	case 14:
		w.check(w.Step(w.now, session.Emptied))
	case 15:
		if choice>>4 == 0 {
			w.check(w.Step(w.now, session.LeaveAsked))
		}
	}
}

func (w *witness) message(message proto.Message) {
	if !w.up {
		return
	}
	w.heard = w.now
	switch message.(type) {
	case proto.Quit, proto.Reconnect:
	default:
		w.known = true
	}
	w.check(w.Message(w.now, message))
}

func (w *witness) pass(alive bool) {
	if alive && w.now-w.heard >= 10*s {
		w.readies = 0 // the master may be taken to have forgotten
	}
	w.check(w.Tick(w.now, alive))
}

func (w *witness) check(effects []session.Effect) {
	w.t.Helper()
	if w.left && len(effects) > 0 {
		w.t.Fatalf("%v after the exit", names(effects))
	}
	for _, effect := range effects {
		w.checkOne(effect)
	}
	switch wire := w.State().OnWire(); wire {
	case "ready", "spawning", "running":
	default:
		w.t.Fatalf("state %q on the wire", wire)
	}
	if (w.State() == session.Left) != w.left {
		w.t.Fatalf("state %v, said goodbye: %v", w.State(), w.left)
	}
}

func (w *witness) checkOne(effect session.Effect) {
	w.t.Helper()
	fail := func(why string) {
		w.t.Helper()
		w.t.Fatalf("%s %s (state %v)", effectNames[effect], why, w.State())
	}
	switch effect {
	case session.Exit, session.ExitSilent:
		w.left = true
		return
	case session.Reconnect:
		if !w.up || w.abandoned {
			fail("without a connection")
		}
		w.abandoned = true
		w.downSince = w.now
		return
	case session.BeginTest, session.ApplyTarget, session.StopUsers, session.EndUsers,
		session.CollectStats, session.DropStats, session.ResetStats:
		return
	}
	if !w.up || w.abandoned {
		fail("without a connection")
	}
	if w.stopped && effect != session.SendReady {
		fail("between client_stopped and client_ready")
	}
	if effect == session.SendReady {
		w.stopped, w.registered, w.waiting = false, true, true
		if w.readies++; w.readies > 1 {
			fail("twice on a connection")
		}
		return
	}
	if effect == session.SendLate {
		if w.refused {
			fail("to another master")
		}
		return
	}
	if !w.registered && effect != session.SendQuit {
		fail("before client_ready")
	}
	switch effect {
	case session.SendSpawning, session.SendComplete:
		if !w.known {
			fail("to a master that may not know the worker")
		}
	case session.SendLogs:
		if w.waiting {
			fail("before the acknowledgement")
		}
	case session.SendStats, session.SendStopped:
		if w.waiting && !w.known {
			fail("to a master that may not know the worker")
		}
		if effect == session.SendStopped {
			w.stopped, w.readies = true, 0
		}
	}
}

func follow(t *testing.T, choices []byte) {
	t.Helper()
	w := &witness{conversation: begin(t)}
	for _, choice := range choices {
		w.act(choice)
	}
}

// Whatever happens in whatever order, the worker says nothing that ends a
// master's listener, counts it twice or spoils the next test.
func TestNothingForbiddenIsEverSaid(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	for range 5000 {
		choices := make([]byte, 200)
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		choices[0] = 0
		follow(t, choices)
	}
}

// The order in which things usually happen gets further than chance does.
func TestNothingForbiddenIsSaidInOrdinaryTests(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 5))
	ordinary := []byte{0, 3, 11, 4, 6, 13, 11, 4, 6, 13, 5, 11, 4, 8, 14, 3, 11, 4}
	for range 5000 {
		var choices []byte
		for range 5 {
			for _, choice := range ordinary {
				if random.IntN(20) == 0 {
					choices = append(choices, byte(random.Uint32()))
				}
				choices = append(choices, choice|byte(random.Uint32())<<4&0x30)
			}
		}
		follow(t, choices)
	}
}

func FuzzMachine(f *testing.F) {
	f.Add([]byte{0, 3, 4, 6, 13, 8, 6, 8, 14, 3, 9, 14})
	f.Add([]byte{0, 3, 6, 2, 1, 14, 3, 4, 0xfb, 0xfb, 0xfb, 0xfb, 14})
	f.Add([]byte{0, 0xfb, 0xfb, 3, 0, 3, 10, 0, 8, 8, 14, 15})
	f.Fuzz(func(t *testing.T, choices []byte) {
		if len(choices) > 500 {
			t.Skip("longer than any state of the machine reaches back")
		}
		follow(t, choices)
	})
}
