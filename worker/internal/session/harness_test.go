package session_test

import (
	"slices"
	"testing"
	"time"

	"upsurge/worker/internal/proto"
	"upsurge/worker/internal/session"
)

const (
	s  = time.Second
	ms = time.Millisecond
)

var (
	states = []session.State{
		session.Ready, session.Spawning, session.Running, session.Stopping,
		session.Rejoining, session.Leaving, session.Left,
	}
	inputs = []session.Input{
		session.SpawnArrived, session.StopArrived, session.QuitArrived, session.TargetReached,
		session.Emptied, session.Forgotten, session.LeaveAsked,
	}
)

// conversation drives a Machine through its public face and keeps the clock.
type conversation struct {
	*session.Machine
	t         *testing.T
	now       time.Duration
	timestamp float64
}

func begin(t *testing.T) *conversation {
	t.Helper()
	return &conversation{Machine: session.New(session.Times{}), t: t, timestamp: 1000}
}

// joined is a machine that a modern master has acknowledged.
func joined(t *testing.T) *conversation {
	t.Helper()
	c := begin(t)
	c.Up(c.now, false)
	c.Message(c.now, proto.Ack{Index: 0})
	c.Message(c.now, proto.Heartbeat{})
	return c
}

// old is a machine that a master without heartbeat replies has acknowledged.
func old(t *testing.T) *conversation {
	t.Helper()
	c := begin(t)
	c.Up(c.now, false)
	c.Message(c.now, proto.Ack{Index: 0})
	return c
}

// in brings a joined machine into a state.
func (c *conversation) in(state session.State) *conversation {
	c.t.Helper()
	switch state {
	case session.Ready:
	case session.Spawning:
		c.spawn()
	case session.Running:
		c.in(session.Spawning).Step(c.now, session.TargetReached)
	case session.Stopping:
		c.in(session.Running).Message(c.now, proto.Stop{})
	case session.Rejoining:
		c.in(session.Running).Step(c.now, session.Forgotten)
	case session.Leaving:
		c.in(session.Running).Step(c.now, session.LeaveAsked)
	case session.Left:
		c.Step(c.now, session.LeaveAsked)
	}
	c.state(state)
	return c
}

// spawn sends a spawn that is newer than all before.
func (c *conversation) spawn() []session.Effect {
	c.timestamp++
	return c.spawnAt(c.timestamp)
}

func (c *conversation) spawnAt(timestamp float64) []session.Effect {
	return c.Message(c.now, proto.Spawn{Timestamp: timestamp, UserClassesCount: map[string]int{"A": int(timestamp)}})
}

// tick lets the time pass in steps of 50 ms and returns what happened.
func (c *conversation) tick(span time.Duration, alive bool) []session.Effect {
	var all []session.Effect
	for end := c.now + span; c.now < end; {
		c.now += 50 * ms
		all = append(all, c.Tick(c.now, alive)...)
	}
	return all
}

// retry is tick with a transport that makes a new connection when asked.
func (c *conversation) retry(span time.Duration) []session.Effect {
	var all []session.Effect
	for end := c.now + span; c.now < end; {
		got := c.tick(50*ms, true)
		if count(got, session.Reconnect) > 0 {
			got = append(got, c.outage(1500*ms, false)...)
		}
		all = append(all, got...)
	}
	return all
}

// outage ends the connection and brings a new one after that time.
func (c *conversation) outage(span time.Duration, refused bool) []session.Effect {
	c.Down(c.now, 0)
	c.now += span
	return c.Up(c.now, refused)
}

func (c *conversation) state(want session.State) {
	c.t.Helper()
	if got := c.State(); got != want {
		c.t.Fatalf("state %v, want %v", got, want)
	}
}

func (c *conversation) effects(got []session.Effect, want ...session.Effect) {
	c.t.Helper()
	if !slices.Equal(got, want) {
		c.t.Fatalf("effects %v, want %v", names(got), names(want))
	}
}

// without drops effects that a test is not about.
func without(effects []session.Effect, drop ...session.Effect) []session.Effect {
	return slices.DeleteFunc(slices.Clone(effects), func(e session.Effect) bool { return slices.Contains(drop, e) })
}

func count(effects []session.Effect, wanted session.Effect) int {
	n := 0
	for _, effect := range effects {
		if effect == wanted {
			n++
		}
	}
	return n
}

var effectNames = map[session.Effect]string{
	session.BeginTest: "BeginTest", session.ApplyTarget: "ApplyTarget", session.StopUsers: "StopUsers",
	session.EndUsers: "EndUsers", session.SendReady: "SendReady", session.SendSpawning: "SendSpawning",
	session.SendComplete: "SendComplete", session.SendStopped: "SendStopped", session.SendQuit: "SendQuit",
	session.SendStats: "SendStats", session.CollectStats: "CollectStats", session.DropStats: "DropStats",
	session.SendLate:   "SendLate",
	session.ResetStats: "ResetStats", session.SendHeartbeat: "SendHeartbeat", session.SendLogs: "SendLogs",
	session.Reconnect: "Reconnect", session.Exit: "Exit", session.ExitSilent: "ExitSilent",
}

func names(effects []session.Effect) []string {
	list := make([]string, len(effects))
	for i, effect := range effects {
		list[i] = effectNames[effect]
	}
	return list
}
