package session_test

import (
	"slices"
	"testing"
	"time"

	"upsurge/worker/internal/proto"
	"upsurge/worker/internal/session"
)

// talk is a second of a conversation in which the master answers heartbeats.
func (c *conversation) talk(span time.Duration) []session.Effect {
	var all []session.Effect
	for end := c.now + span; c.now < end; {
		got := c.tick(50*ms, true)
		if count(got, session.SendHeartbeat) > 0 {
			got = append(got, c.Message(c.now, proto.Heartbeat{})...)
		}
		all = append(all, got...)
	}
	return all
}

// A heartbeat a second and a report every three, in every state of a
// connected worker, with a state that a master knows.
func TestHeartbeatsAndReports(t *testing.T) {
	legal := []string{"ready", "spawning", "running"}
	for _, state := range states[:len(states)-1] {
		t.Run(state.String(), func(t *testing.T) {
			c := joined(t).in(state)
			got := c.talk(30 * s)
			if beats := count(got, session.SendHeartbeat); beats != 30 {
				t.Errorf("%d heartbeats in 30 s", beats)
			}
			if !slices.Contains(legal, c.State().OnWire()) {
				t.Errorf("%q is no state that a master knows", c.State().OnWire())
			}
			want := 10
			if state == session.Leaving {
				want = 300 // the master listens for half a second only
			}
			if reports := count(got, session.CollectStats); reports < want-1 || reports > want+1 {
				t.Errorf("%d reports in 30 s, want %d", reports, want)
			}
			c.state(state)
		})
	}
}

// The samples of the last moments of a test must reach a master that listens
// for half a second after its quit.
func TestReportsFollowAQuitQuickly(t *testing.T) {
	c := joined(t).in(session.Running)
	c.talk(3500 * ms)
	c.Message(c.now, proto.Quit{})
	if got := c.tick(250*ms, true); count(got, session.CollectStats) < 2 {
		t.Errorf("%v within 250 ms of the quit, want two collections", names(got))
	}
}

func TestSilenceWithoutConnection(t *testing.T) {
	c := joined(t).in(session.Running)
	c.Down(c.now, 0)
	c.effects(without(c.tick(300*s, false), session.CollectStats))
	c.state(session.Running)
}

// The counts go on being fetched without a connection: what a loop holds
// stays small.
func TestCollectingWithoutConnection(t *testing.T) {
	c := begin(t)
	if got := c.tick(30*s, false); count(got, session.CollectStats) < 10 || len(got) > 11 {
		t.Errorf("effects %v, want collections only", names(got))
	}
}

func TestSilence(t *testing.T) {
	cases := []struct {
		name  string
		begin func(*testing.T) *conversation
		state session.State
		alive bool
		quiet time.Duration
		want  []session.Effect // without the periodic ones
		next  session.State
	}{
		{name: "answered until lately", begin: joined, state: session.Running, alive: true, quiet: 9900 * ms, next: session.Running},
		{name: "test", begin: joined, state: session.Running, alive: true, quiet: 10 * s, want: []session.Effect{session.EndUsers}, next: session.Rejoining},
		{name: "ramp", begin: joined, state: session.Spawning, alive: true, quiet: 10 * s, want: []session.Effect{session.EndUsers}, next: session.Rejoining},
		{name: "stopping", begin: joined, state: session.Stopping, alive: true, quiet: 10 * s, want: []session.Effect{session.EndUsers}, next: session.Rejoining},
		{name: "idle", begin: joined, state: session.Ready, alive: true, quiet: 10 * s, want: []session.Effect{session.SendReady}, next: session.Ready},
		{name: "idle, still nothing", begin: joined, state: session.Ready, alive: true, quiet: 20 * s, want: []session.Effect{session.SendReady, session.Reconnect}, next: session.Ready},
		{name: "leaving", begin: joined, state: session.Leaving, alive: true, quiet: 10 * s, next: session.Leaving},
		{name: "host gone", begin: joined, state: session.Running, quiet: 300 * s, next: session.Running},
		{name: "once only", begin: joined, state: session.Running, alive: true, quiet: 59 * s, want: []session.Effect{session.EndUsers}, next: session.Rejoining},
		{name: "a minute", begin: joined, state: session.Leaving, alive: true, quiet: 60 * s, want: []session.Effect{session.ExitSilent}, next: session.Left},
		{name: "old master", begin: old, state: session.Running, alive: true, quiet: 300 * s, next: session.Running},
		{name: "old master, idle", begin: old, state: session.Ready, alive: true, quiet: 300 * s, next: session.Ready},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			c := test.begin(t).in(test.state)
			got := c.tick(test.quiet, test.alive)
			c.effects(without(got, session.CollectStats, session.SendHeartbeat), test.want...)
			c.state(test.next)
		})
	}
}

// A master that is there but takes nothing in: the worker ends its users,
// registers anew over and over without an answer, and leaves after a minute.
func TestDeafMaster(t *testing.T) {
	c := joined(t).in(session.Running)
	c.talk(5 * s)
	start := c.now
	var registrations int
	for c.State() != session.Left {
		if c.now-start > 5*time.Minute {
			t.Fatal("did not leave a master that is deaf")
		}
		got := c.tick(50*ms, true)
		if count(got, session.EndUsers) > 0 {
			got = append(got, c.Step(c.now, session.Emptied)...)
		}
		if count(got, session.Reconnect) > 0 {
			got = append(got, c.outage(200*ms, false)...)
		}
		registrations += count(got, session.SendReady)
		if c.State() == session.Left && got[len(got)-1] != session.ExitSilent {
			t.Errorf("left with %v", names(got))
		}
	}
	if took := c.now - start; took < 59*s || took > 75*s {
		t.Errorf("left after %v, want about a minute", took)
	}
	if registrations < 2 {
		t.Errorf("registered %d times, want some attempts", registrations)
	}
}

// A master that acknowledges but answers no heartbeat keeps nobody in its
// books: the worker registers once more, not over and over on one connection,
// and leaves after a minute.
func TestAcknowledgedButUnanswered(t *testing.T) {
	c := joined(t)
	var registrations int
	for c.State() != session.Left && c.now < 70*s {
		got := c.tick(50*ms, true)
		if count(got, session.SendReady) > 0 {
			registrations++
			c.Message(c.now, proto.Ack{Index: 0})
		}
	}
	if c.State() != session.Left || c.now < 60*s || c.now > 61*s || registrations != 1 {
		t.Errorf("%v after %v with %d registrations", c.State(), c.now, registrations)
	}
}

// An outage does not count as silence, and after it the master has the whole
// time again to show that it knows the worker.
func TestOutageIsNotSilence(t *testing.T) {
	c := joined(t).in(session.Running)
	c.tick(6*s, true)
	c.outage(30*s, false)
	if got := c.retry(9600 * ms); count(got, session.EndUsers) != 0 {
		t.Error("what was before the connection was counted as its silence")
	}
	if got := c.retry(3 * s); count(got, session.EndUsers) != 1 {
		t.Error("the silence was not noticed")
	}
}

// Masters before 2.29 take no logs: they go out once a message has shown that
// this one does, and only while it counts the worker in.
func TestLogs(t *testing.T) {
	c := joined(t).in(session.Running)
	if got := c.talk(60 * s); count(got, session.SendLogs) != 0 {
		t.Error("logs for a master that may not know the message")
	}
	c.Message(c.now, proto.SpawningComplete{})
	if got := c.talk(60 * s); count(got, session.SendLogs) != 6 {
		t.Errorf("%d times logs in a minute, want 6", count(got, session.SendLogs))
	}
	c.outage(30*s, false)
	if got := c.tick(5*s, true); count(got, session.SendLogs) != 0 {
		t.Error("logs before the master has shown that it knows the worker")
	}
	c.Message(c.now, proto.Stop{})
	c.Step(c.now, session.Emptied)
	if got := c.tick(4*s, true); count(got, session.SendLogs) != 0 {
		t.Error("logs between client_ready and its acknowledgement")
	}
}

func TestTimesCanBeSet(t *testing.T) {
	m := session.New(session.Times{
		Heartbeat: 2 * s, Stats: 4 * s, Logs: 5 * s, Ack: 7 * s, Unknown: 20 * s, Deleted: 30 * s, Silence: 40 * s,
	})
	c := &conversation{Machine: m, t: t, timestamp: 1}
	c.Up(0, false)
	if got := c.tick(6900*ms, true); count(got, session.Reconnect) != 0 || count(got, session.SendHeartbeat) != 0 {
		t.Errorf("effects %v", names(got))
	}
	c.Message(c.now, proto.Ack{})
	c.Message(c.now, proto.Heartbeat{})
	c.in(session.Running)
	c.effects(c.outage(30*s, false), session.EndUsers)
}
