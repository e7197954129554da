package session_test

import (
	"testing"
	"time"

	"upsurge/worker/internal/proto"
	"upsurge/worker/internal/session"
)

func TestFirstConnection(t *testing.T) {
	c := begin(t)
	c.now = 40 * s // the master came late
	c.effects(c.Up(c.now, true), session.SendReady)
	if c.Joined() {
		t.Error("joined before the acknowledgement")
	}
	c.effects(c.Message(c.now, proto.Ack{Index: 3}), session.SendHeartbeat)
	if !c.Joined() || c.Index() != 3 {
		t.Errorf("joined %v with index %d, want true, 3", c.Joined(), c.Index())
	}
}

// What a new connection begins with, for a worker whose master is modern.
func TestUpAfterDown(t *testing.T) {
	resume := []session.Effect{session.SendHeartbeat, session.CollectStats}
	register := []session.Effect{session.SendLate, session.SendReady}
	registerAnew := []session.Effect{session.DropStats, session.SendReady}
	end := []session.Effect{session.EndUsers}
	cases := []struct {
		name    string
		state   session.State
		outage  time.Duration
		refused bool
		want    []session.Effect
		next    session.State
	}{
		{name: "idle", state: session.Ready, outage: s, want: register, next: session.Ready},
		{name: "idle, refused", state: session.Ready, outage: s, refused: true, want: registerAnew, next: session.Ready},
		{name: "ramp, short", state: session.Spawning, outage: s, want: resume, next: session.Spawning},
		{name: "test, short", state: session.Running, outage: s, want: resume, next: session.Running},
		{name: "test, just short", state: session.Running, outage: 60*s - ms, want: resume, next: session.Running},
		{name: "test, long", state: session.Running, outage: 60 * s, want: end, next: session.Rejoining},
		{name: "test, refused", state: session.Running, outage: ms, refused: true, want: end, next: session.Rejoining},
		{name: "stopping, short", state: session.Stopping, outage: s, want: resume, next: session.Stopping},
		{name: "stopping, refused", state: session.Stopping, outage: s, refused: true, want: end, next: session.Rejoining},
		{name: "rejoining", state: session.Rejoining, outage: s, next: session.Rejoining},
		{name: "rejoining, long", state: session.Rejoining, outage: 70 * s, next: session.Rejoining},
		{name: "leaving, short", state: session.Leaving, outage: s, want: resume, next: session.Leaving},
		{name: "leaving, refused", state: session.Leaving, outage: s, refused: true, next: session.Leaving},
		{name: "left", state: session.Left, outage: s, next: session.Left},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			c := joined(t).in(test.state)
			c.effects(c.outage(test.outage, test.refused), test.want...)
			c.state(test.next)
		})
	}
}

// After a short outage the worker goes on without a second client_ready, but
// says nothing that would end the listener of a master that forgot it.
func TestResumeUntilKnown(t *testing.T) {
	c := joined(t).in(session.Spawning)
	c.outage(s, false)
	c.effects(c.Step(c.now, session.TargetReached))
	c.state(session.Running)
	if c.Joined() {
		t.Error("statistics may go to a master that has not shown that it knows the worker")
	}
	c.Message(c.now, proto.Heartbeat{})
	if !c.Joined() {
		t.Error("not joined although the master answered")
	}
	c.effects(c.spawn(), session.SendSpawning, session.ApplyTarget)
	c.effects(c.Step(c.now, session.TargetReached), session.SendComplete)
}

// A master that answers no heartbeats can show nothing: the counts go on.
func TestResumeWithOldMaster(t *testing.T) {
	c := old(t).in(session.Spawning)
	c.outage(s, false)
	if !c.Joined() {
		t.Error("statistics stopped for good")
	}
	c.effects(c.Step(c.now, session.TargetReached))
	c.effects(c.spawn(), session.SendSpawning, session.ApplyTarget)
}

// A spawn or a stop shows as well as a heartbeat that the master knows the
// worker; a quit does not, for masters send it to workers that they do not
// know.
func TestWhatShowsThatTheMasterKnows(t *testing.T) {
	cases := []struct {
		name    string
		message proto.Message
		known   bool
	}{
		{name: "ack", message: proto.Ack{}, known: true},
		{name: "heartbeat", message: proto.Heartbeat{}, known: true},
		{name: "spawning complete", message: proto.SpawningComplete{}, known: true},
		{name: "stop", message: proto.Stop{}, known: true},
		{name: "spawn", message: proto.Spawn{Timestamp: 1e9}, known: true},
		{name: "quit", message: proto.Quit{}},
		{name: "class update", message: proto.UpdateUserClass{}},
		{name: "custom", message: proto.Custom{Type: "hello"}},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			c := joined(t).in(session.Running)
			c.outage(s, false)
			c.Message(c.now, test.message)
			if c.Joined() != test.known {
				t.Errorf("joined %v, want %v", c.Joined(), test.known)
			}
		})
	}
}

// The successor of a modern master may be an old one: its missing answers
// must not end a test.
func TestRefusedForgetsTheMastersVersion(t *testing.T) {
	c := joined(t).in(session.Running)
	c.outage(3*s, true)
	c.effects(c.Step(c.now, session.Emptied), session.DropStats, session.SendReady)
	c.Message(c.now, proto.Ack{})
	c.in(session.Running)
	if got := c.tick(90*s, true); count(got, session.EndUsers)+count(got, session.ExitSilent) > 0 {
		t.Errorf("ended the users of a master that never answers heartbeats: %v", names(got))
	}
	c.state(session.Running)
}

// Users end before the worker registers anew, and nothing is said meanwhile.
func TestRejoining(t *testing.T) {
	c := joined(t).in(session.Running)
	c.effects(c.outage(s, true), session.EndUsers)
	c.effects(without(c.tick(3*s, true), session.CollectStats))
	c.outage(s, false)
	c.effects(without(c.tick(3*s, true), session.CollectStats))
	c.effects(c.spawn())
	c.state(session.Rejoining)
	c.effects(c.Step(c.now, session.Emptied), session.DropStats, session.SendReady)
	c.state(session.Ready)
	c.effects(c.Message(c.now, proto.Ack{}), session.SendHeartbeat)
	// The spawn that came too early is not obeyed, the next one is.
	c.state(session.Ready)
	c.effects(c.spawn(), session.BeginTest, session.SendSpawning, session.ApplyTarget)
}

func TestEmptiedWithoutConnection(t *testing.T) {
	for _, state := range []session.State{session.Stopping, session.Rejoining} {
		t.Run(state.String(), func(t *testing.T) {
			c := joined(t).in(state)
			c.Down(c.now, 0)
			c.effects(c.Step(c.now, session.Emptied))
			c.state(session.Ready)
			c.now += s
			c.effects(c.Up(c.now, false), session.SendLate, session.SendReady)
		})
	}
}

func TestMissingAckReconnects(t *testing.T) {
	c := begin(t)
	c.Up(c.now, false)
	got := without(c.tick(10*s, true), session.CollectStats)
	if ready := count(got, session.SendReady); ready != 0 {
		t.Errorf("client_ready %d times more on one connection", ready)
	}
	if got[len(got)-1] != session.Reconnect || count(got, session.Reconnect) != 1 {
		t.Fatalf("effects %v, want one reconnect at the end", names(got))
	}
	// The transport has not noticed yet: nothing is said on the old connection.
	c.effects(without(c.tick(2*s, true), session.CollectStats))
	c.effects(c.outage(100*ms, false), session.SendLate, session.SendReady)
	c.effects(c.Message(c.now, proto.Ack{}), session.SendHeartbeat)
	if got := c.tick(12*s, false); count(got, session.Reconnect) != 0 {
		t.Error("reconnected although acknowledged")
	}
}

func TestReconnectMessage(t *testing.T) {
	c := joined(t).in(session.Running)
	c.effects(c.Message(c.now, proto.Reconnect{}), session.Reconnect)
	c.effects(c.Message(c.now, proto.Reconnect{})) // once is enough
	c.effects(without(c.tick(2*s, true), session.CollectStats))
	c.effects(c.outage(100*ms, false), session.SendHeartbeat, session.CollectStats)
	c.state(session.Running)
}

// A late answer on a connection that was given up must not make the worker
// send on it.
func TestLateAckOnAbandonedConnection(t *testing.T) {
	c := begin(t)
	c.Up(c.now, false)
	c.tick(10*s, true)
	c.effects(c.Message(c.now, proto.Ack{Index: 2}))
	if c.Index() != 2 {
		t.Errorf("index %d, want 2", c.Index())
	}
	c.effects(c.outage(100*ms, false), session.SendLate, session.SendReady)
}

// What was counted under a registration that ended goes to the same master, and
// to no other.
func TestLateCounts(t *testing.T) {
	cases := []struct {
		name string
		lose func(c *conversation)
		want session.Effect
	}{
		{"refused", func(c *conversation) { c.outage(s, true) }, session.DropStats},
		{"refused, then cut", func(c *conversation) { c.outage(s, true); c.outage(70*s, false) }, session.DropStats},
		{"long outage", func(c *conversation) { c.outage(60*s, false) }, session.SendLate},
		{"long outage, then refused", func(c *conversation) { c.outage(60*s, false); c.outage(s, true) }, session.DropStats},
		{"deaf from one moment to the next", func(c *conversation) { c.tick(11*s, true) }, session.SendLate},
		{"unknown after a short outage", func(c *conversation) { c.outage(5*s, false); c.retry(13 * s) }, session.DropStats},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			c := joined(t).in(session.Running)
			test.lose(c)
			c.state(session.Rejoining)
			c.effects(c.Step(c.now, session.Emptied), test.want, session.SendReady)
			// The next master that answers is the one of the next test.
			c.Message(c.now, proto.Ack{})
			c.effects(c.outage(s, false), session.SendLate, session.SendReady)
		})
	}
}

// The first heartbeat after an outage stays alone until it is answered: a
// master that still holds the dead connection could not read a second.
func TestResumeTriesAgain(t *testing.T) {
	c := joined(t).in(session.Running)
	c.outage(s, false)
	if got := without(c.tick(1450*ms, true), session.CollectStats); len(got) != 0 {
		t.Fatalf("said %v before the first heartbeat was answered", names(got))
	}
	c.effects(without(c.tick(50*ms, true), session.CollectStats), session.Reconnect)
	c.effects(c.outage(200*ms, false), session.SendHeartbeat, session.CollectStats)
	c.Message(c.now, proto.Heartbeat{})
	if got := c.talk(5 * s); count(got, session.SendHeartbeat) < 4 || count(got, session.Reconnect) != 0 {
		t.Errorf("after the answer: %v", names(got))
	}
	c.state(session.Running)
}

// Attempts to be heard do not hide how long the master has been missing the
// worker.
func TestOutageGoesOnUntilHeard(t *testing.T) {
	c := joined(t).in(session.Running)
	c.outage(40*s, false)
	c.tick(3*s, true)
	c.effects(c.outage(17*s, false), session.EndUsers)
}
