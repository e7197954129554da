package session_test

import (
	"testing"

	"upsurge/worker/internal/proto"
	"upsurge/worker/internal/session"
)

// Only a spawn with a timestamp above the last one's is obeyed. Fractions of a
// second count: rebalancing sends several a second.
func TestTimestamps(t *testing.T) {
	cases := []struct {
		name      string
		timestamp float64
		obeyed    bool
	}{
		{name: "newer", timestamp: 5001, obeyed: true},
		{name: "newer within the second", timestamp: 5000.250001, obeyed: true},
		{name: "equal", timestamp: 5000.25},
		{name: "older within the second", timestamp: 5000.2},
		{name: "older", timestamp: 4999},
		{name: "none", timestamp: 0},
		{name: "below zero", timestamp: -1},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			c := joined(t)
			c.spawnAt(5000.25)
			c.Step(c.now, session.TargetReached)
			if !test.obeyed {
				c.effects(c.spawnAt(test.timestamp))
				c.state(session.Running)
				return
			}
			c.effects(c.spawnAt(test.timestamp), session.SendSpawning, session.ApplyTarget)
			if got := c.Target().Timestamp; got != test.timestamp {
				t.Errorf("target of %v, want %v", got, test.timestamp)
			}
		})
	}
}

// A restarted master's clock may be behind.
func TestAckResetsTheWatermark(t *testing.T) {
	c := joined(t).in(session.Running)
	c.spawnAt(1e9)
	c.outage(s, true)
	c.Step(c.now, session.Emptied)
	c.Message(c.now, proto.Ack{})
	c.effects(c.spawnAt(3), session.BeginTest, session.SendSpawning, session.ApplyTarget)
}

// Without an ack the watermark stays, also over an outage.
func TestResumeKeepsTheWatermark(t *testing.T) {
	c := joined(t)
	c.spawnAt(5000)
	c.outage(s, false)
	c.effects(c.spawnAt(5000))
	c.effects(c.spawnAt(5001), session.SendSpawning, session.ApplyTarget)
}

// A spawn for the next test can come while the users of the last one end.
func TestSpawnWhileStopping(t *testing.T) {
	c := joined(t).in(session.Stopping)
	before := c.Target()
	c.effects(c.spawnAt(6000))
	c.effects(c.spawnAt(6001))
	c.effects(c.spawnAt(6000.5)) // out of order
	if got := c.Target(); got.Timestamp != before.Timestamp {
		t.Error("the stop timeout of the test that ends was replaced")
	}
	c.effects(
		c.Step(c.now, session.Emptied),
		session.SendStats, session.SendStopped, session.SendReady,
		session.BeginTest, session.SendSpawning, session.ApplyTarget,
	)
	c.state(session.Spawning)
	if got := c.Target().Timestamp; got != 6001 {
		t.Errorf("began the test of %v, want that of the newest spawn", got)
	}
	// Statistics wait until the master has taken client_ready.
	if c.Joined() {
		t.Error("joined before the acknowledgement")
	}
	c.Message(c.now, proto.Ack{})
	if !c.Joined() {
		t.Error("not joined after it")
	}
}

// A stop after such a spawn is meant for the test that has not begun.
func TestStopTakesBackTheSpawnThatWaits(t *testing.T) {
	c := joined(t).in(session.Stopping)
	c.spawn()
	c.effects(c.Message(c.now, proto.Stop{}))
	c.effects(c.Step(c.now, session.Emptied), session.SendStats, session.SendStopped, session.SendReady)
	c.state(session.Ready)
}

// A master that was restarted meanwhile knows nothing of that spawn.
func TestForgottenTakesBackTheSpawnThatWaits(t *testing.T) {
	c := joined(t).in(session.Stopping)
	c.spawn()
	c.Step(c.now, session.Forgotten)
	c.effects(c.Step(c.now, session.Emptied), session.SendLate, session.SendReady)
	c.state(session.Ready)
}

// The spawn that waits outlives no quit.
func TestQuitTakesBackTheSpawnThatWaits(t *testing.T) {
	c := joined(t).in(session.Stopping)
	c.spawn()
	c.effects(c.Message(c.now, proto.Quit{}), session.CollectStats, session.EndUsers)
	c.effects(c.Step(c.now, session.Emptied), session.SendStats, session.SendQuit, session.Exit)
}

// A stop that arrives while client_ready is on its way is answered by it: a
// second client_ready would give the worker a double share.
func TestStopBeforeAck(t *testing.T) {
	c := joined(t).in(session.Stopping)
	c.Step(c.now, session.Emptied)
	c.effects(c.Message(c.now, proto.Stop{}))
	c.Message(c.now, proto.Ack{})
	c.effects(c.Message(c.now, proto.Stop{}), session.SendStopped, session.SendReady)
}

// Every way that a test can end, and what is left to say with and without a
// connection.
func TestEnds(t *testing.T) {
	quit := func(c *conversation) []session.Effect { return c.Message(c.now, proto.Quit{}) }
	leave := func(c *conversation) []session.Effect { return c.Step(c.now, session.LeaveAsked) }
	goodbye := []session.Effect{session.SendStats, session.SendQuit, session.Exit}
	flush := []session.Effect{session.CollectStats, session.EndUsers}
	stop := []session.Effect{session.CollectStats, session.StopUsers}
	cases := []struct {
		name    string
		state   session.State
		ask     func(*conversation) []session.Effect
		want    []session.Effect
		atOnce  bool // there is nothing to wait for
		nothing bool // it was asked before
	}{
		{name: "quit when ready", state: session.Ready, ask: quit, want: goodbye, atOnce: true},
		{name: "quit when spawning", state: session.Spawning, ask: quit, want: flush},
		{name: "quit when running", state: session.Running, ask: quit, want: flush},
		{name: "quit when stopping", state: session.Stopping, ask: quit, want: flush},
		{name: "quit when rejoining", state: session.Rejoining, ask: quit, want: flush[1:]},
		{name: "quit when leaving", state: session.Leaving, ask: quit, want: flush},
		{name: "quit when left", state: session.Left, ask: quit, nothing: true},
		{name: "leave when ready", state: session.Ready, ask: leave, want: goodbye, atOnce: true},
		{name: "leave when spawning", state: session.Spawning, ask: leave, want: stop},
		{name: "leave when running", state: session.Running, ask: leave, want: stop},
		{name: "leave when stopping", state: session.Stopping, ask: leave, want: stop},
		{name: "leave when rejoining", state: session.Rejoining, ask: leave, want: stop[1:]},
		{name: "leave when leaving", state: session.Leaving, ask: leave},
		{name: "leave when left", state: session.Left, ask: leave, nothing: true},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			c := joined(t).in(test.state)
			c.effects(test.ask(c), test.want...)
			if test.atOnce || test.nothing {
				c.state(session.Left)
				return
			}
			c.state(session.Leaving)
			c.effects(c.Step(c.now, session.Emptied), goodbye...)
			c.state(session.Left)
		})
		t.Run(test.name+", no connection", func(t *testing.T) {
			c := joined(t).in(test.state)
			c.Down(c.now, 0)
			got := test.ask(c)
			if !test.atOnce && !test.nothing {
				c.effects(got, test.want...)
				got = c.Step(c.now, session.Emptied)
			}
			if !test.nothing {
				c.effects(got, session.Exit)
			}
			c.state(session.Left)
		})
	}
}

// The final counts go out before client_stopped, or they would be added to
// the next test; without a connection both are kept back.
func TestFinalStatistics(t *testing.T) {
	c := joined(t).in(session.Stopping)
	c.effects(c.Step(c.now, session.Emptied), session.SendStats, session.SendStopped, session.SendReady)

	c = joined(t).in(session.Stopping)
	c.outage(s, false) // resumed, and the master has shown nothing yet
	c.effects(c.Step(c.now, session.Emptied), session.SendReady)
}

// A worker that is told to stop without users answers all the same.
func TestStopWhenReady(t *testing.T) {
	c := joined(t)
	c.effects(c.Message(c.now, proto.Stop{}), session.SendStopped, session.SendReady)
}

func TestResetStatistics(t *testing.T) {
	c := joined(t).in(session.Running)
	c.effects(c.Message(c.now, proto.SpawningComplete{UserCount: 5}), session.ResetStats)
}

func TestMessagesWithoutMeaning(t *testing.T) {
	for _, state := range states {
		c := joined(t).in(state)
		c.effects(c.Message(c.now, proto.UpdateUserClass{ClassName: "A"}))
		c.effects(c.Message(c.now, proto.Custom{Type: "acknowledge_users"}))
		c.state(state)
	}
}

func TestNothingFollowsTheGoodbye(t *testing.T) {
	c := joined(t).in(session.Left)
	for _, message := range []proto.Message{
		proto.Ack{},
		proto.Spawn{Timestamp: 1e9},
		proto.Stop{},
		proto.Quit{},
		proto.Reconnect{},
		proto.Heartbeat{},
		proto.SpawningComplete{},
		proto.UpdateUserClass{},
		proto.Custom{Type: "x"},
	} {
		c.effects(c.Message(c.now, message))
	}
	c.effects(c.tick(90*s, true))
	c.effects(c.outage(s, true))
}
