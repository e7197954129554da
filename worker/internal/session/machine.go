// Package session is a worker's conversation with its master as a state
// machine. It does no I/O and reads no clock: moments and messages come in as
// arguments, effects go out as a list. One goroutine owns a Machine.
package session

import (
	"time"

	"upsurge/worker/internal/proto"
)

// Times are the conversation's intervals; zero fields take the defaults,
// which are those of Locust's own worker where it has them.
type Times struct {
	Heartbeat time.Duration // between heartbeats; 1 s
	Stats     time.Duration // between reports; 3 s
	Logs      time.Duration // between log reports; 10 s
	Ack       time.Duration // for the answer to client_ready, then Reconnect; 10 s
	Resume    time.Duration // for the answer to the first heartbeat after an outage, then Reconnect; 1.5 s
	Unknown   time.Duration // heartbeats unanswered on a live link mean Forgotten; 10 s
	Deleted   time.Duration // an outage after which masters have deleted a worker; 60 s
	Silence   time.Duration // without an answered heartbeat on a live link, then ExitSilent; 60 s
}

func (t Times) normalised() Times {
	set := func(field *time.Duration, value time.Duration) {
		if *field <= 0 {
			*field = value
		}
	}
	set(&t.Heartbeat, time.Second)
	set(&t.Stats, 3*time.Second)
	set(&t.Logs, 10*time.Second)
	set(&t.Ack, 10*time.Second)
	set(&t.Resume, 1500*time.Millisecond)
	set(&t.Unknown, 10*time.Second)
	set(&t.Deleted, time.Minute)
	set(&t.Silence, time.Minute)
	return t
}

// leavingStats is the time between reports once the master said quit: it
// reads for half a second more, whatever its stop timeout.
const leavingStats = 100 * time.Millisecond

// Machine is the conversation. The zero value is not usable; see New.
type Machine struct {
	times Times
	state State

	target proto.Spawn  // the last accepted
	kept   *proto.Spawn // came while the users of the test before were ending
	mark   float64      // the timestamp that a spawn must exceed
	index  int

	connected bool
	// registered: client_ready was sent on this connection, or the worker
	// resumed on it without. Only then do heartbeats make sense.
	registered bool
	// known: the master has shown on this connection that it knows this
	// worker. Until then spawning and spawning_complete stay unsaid: from an
	// id that it does not hold they end the listener of a master, and with
	// it the test of every worker.
	known bool
	// successor: the master is another one than the test's, for all that is
	// known. What was counted for the old one must not reach it.
	successor bool
	// echoes and modern are what the master's messages tell of its version:
	// it answers heartbeats (since 2.19), it takes logs (since 2.29).
	echoes, modern bool

	ackDue                             time.Duration // 0: none awaited
	lastWord, lastEcho                 time.Duration
	downSince                          time.Duration // without a connection
	missedSince                        time.Duration // by the master, if it is still the same
	unheardSince                       time.Duration // first connection without a sign that the master knows the worker
	resumeDue                          time.Duration // 0: no answer to a first heartbeat awaited
	nextHeartbeat, nextStats, nextLogs time.Duration
	everUp, unheard, deafWarned        bool
}

// New returns a machine in state Ready without a connection.
func New(times Times) *Machine {
	return &Machine{times: times.normalised()}
}

// State is the present state.
func (m *Machine) State() State { return m.state }

// Target is the last accepted spawn.
func (m *Machine) Target() proto.Spawn { return m.target }

// Echoes says whether the master answers heartbeats, as far as is known.
func (m *Machine) Echoes() bool { return m.echoes }

// Index is the worker's number from the master's last ack, from 0.
func (m *Machine) Index() int { return m.index }

// Joined says whether statistics may be sent: the master counts what it gets
// from a registered worker, and only from such.
func (m *Machine) Joined() bool {
	return m.counted() && m.ackDue == 0
}

// counted says whether the master counts the worker in, or did until the
// client_ready that it has not acknowledged yet.
func (m *Machine) counted() bool {
	return m.connected && m.registered && (m.known || m.ackDue == 0 && !m.echoes)
}

// recognised notes that the master has shown that it knows this worker.
func (m *Machine) recognised() {
	m.known, m.unheard, m.resumeDue = true, false, 0
}

// Up says that the transport has a new connection. refused: at least one
// attempt since the last one was refused, so the master's process was gone
// and its successor knows no worker. Without that sign a connection that
// broke under a test is taken up with heartbeats alone: a second client_ready
// from a worker that the master still holds would give it a double share.
func (m *Machine) Up(now time.Duration, refused bool) []Effect {
	if m.state == Left {
		return nil
	}
	m.connected, m.registered, m.known, m.ackDue, m.resumeDue = true, false, false, 0, 0
	if !m.unheard {
		m.unheard, m.unheardSince = true, now
	}
	again := m.everUp
	if again {
		m.lastWord += now - m.downSince
		m.lastEcho += now - m.downSince
	} else {
		m.everUp, m.lastWord = true, now
	}
	if refused {
		// The successor may be an older Locust, which answers no heartbeat.
		m.echoes, m.modern, m.successor = false, false, true
	}
	switch m.state {
	case Ready:
		if again {
			return append(m.admit(now, nil, SendLate), m.ready(now)...)
		}
		return m.ready(now)
	case Rejoining:
		return nil // client_ready comes first, once the users have ended
	}
	if refused || now-m.missedSince >= m.times.Deleted {
		return m.Step(now, Forgotten)
	}
	m.registered = true
	if m.echoes {
		m.resumeDue = now + m.times.Resume
	}
	m.nextHeartbeat = now + m.times.Heartbeat
	return []Effect{SendHeartbeat, CollectStats}
}

// Down says that the connection is gone, and for how long the master's host had
// been silent: for so long the master has been missing this worker.
func (m *Machine) Down(now, quiet time.Duration) {
	if m.counted() {
		m.missedSince = now - quiet
	}
	m.connected, m.registered, m.known, m.ackDue, m.resumeDue = false, false, false, 0, 0
	m.downSince = now
}

// Step feeds one input and returns the effects of its row, less those that
// the link does not allow at present.
func (m *Machine) Step(now time.Duration, input Input) []Effect {
	row := lookup(m.state, input)
	if row.Next == Leaving && m.state != Leaving {
		m.nextStats = min(m.nextStats, now+leavingStats)
	}
	m.state = row.Next
	effects := make([]Effect, 0, len(row.Effects)+4)
	for _, effect := range row.Effects {
		effects = m.admit(now, effects, effect)
	}
	if row.Next == Ready && m.kept != nil {
		m.target, m.kept = *m.kept, nil
		effects = append(effects, m.Step(now, SpawnArrived)...)
	}
	return effects
}

// admit appends an effect that may happen now and notes what follows from it.
func (m *Machine) admit(now time.Duration, effects []Effect, effect Effect) []Effect {
	switch effect {
	case SendReady:
		if !m.connected {
			return effects // Up sends it
		}
		return append(effects, m.ready(now)...)
	case SendQuit:
		if !m.connected {
			return effects
		}
	case SendSpawning, SendComplete:
		if !m.connected || !m.known {
			return effects
		}
	case SendStats, SendStopped:
		if !m.counted() {
			return effects
		}
	case SendLate:
		m.kept = nil // a spawn from before the new registration
		if m.successor {
			return append(effects, DropStats)
		}
		if !m.connected {
			return effects // Up sends it
		}
	}
	return append(effects, effect)
}

func (m *Machine) ready(now time.Duration) []Effect {
	m.registered = true
	m.ackDue = now + m.times.Ack
	m.nextHeartbeat = now + m.times.Heartbeat
	return []Effect{SendReady}
}

// Message takes a message of the master.
func (m *Machine) Message(now time.Duration, message proto.Message) []Effect {
	if m.state == Left {
		return nil
	}
	m.lastWord = now
	switch message := message.(type) {
	case proto.Ack:
		// The master's clock may have gone back with a restart: what it says
		// after an ack is new, whatever its timestamp.
		m.index, m.mark, m.ackDue, m.successor = message.Index, 0, 0, false
		m.recognised()
		m.nextHeartbeat, m.nextStats = now+m.times.Heartbeat, now+m.times.Stats
		if m.connected && m.registered {
			return []Effect{SendHeartbeat}
		}
	case proto.Heartbeat:
		m.echoes = true
		m.recognised()
		m.lastEcho, m.deafWarned = now, false
	case proto.SpawningComplete:
		m.modern = true
		m.recognised()
		return []Effect{ResetStats}
	case proto.Spawn:
		m.recognised()
		return m.spawn(now, message)
	case proto.Stop:
		return m.stop(now)
	case proto.Quit:
		return m.Step(now, QuitArrived)
	case proto.Reconnect:
		return m.reconnect(now)
	}
	return nil
}

// stop takes the master's stop, which also ends a test that has not begun.
func (m *Machine) stop(now time.Duration) []Effect {
	m.recognised()
	m.kept = nil
	if m.state == Ready && m.ackDue != 0 {
		// The answer is on its way already: the master takes client_ready for
		// a worker without users.
		return nil
	}
	return m.Step(now, StopArrived)
}

// reconnect gives the connection up. Nothing may be sent on what is left of
// it: the transport says Down only when it has ended it.
func (m *Machine) reconnect(now time.Duration) []Effect {
	if !m.connected {
		return nil
	}
	m.Down(now, 0)
	return []Effect{Reconnect}
}

// spawn accepts a spawn unless it is older than the last one: masters send
// several a second, and rebalancing sends from another greenlet.
func (m *Machine) spawn(now time.Duration, spawn proto.Spawn) []Effect {
	if spawn.Timestamp <= m.mark {
		return nil
	}
	m.mark = spawn.Timestamp
	switch m.state {
	case Stopping:
		m.kept = &spawn
	case Ready, Spawning, Running:
		m.target = spawn
	}
	return m.Step(now, SpawnArrived)
}

// Tick is to be called several times a second. alive: something, if only the
// transport's PONG, was heard from the master's host lately. A master whose
// process stands still is not silent but absent, and comes back knowing all.
func (m *Machine) Tick(now time.Duration, alive bool) []Effect {
	var effects []Effect
	if now >= m.nextStats && m.state != Left {
		m.nextStats = now + m.times.Stats
		if m.state == Leaving {
			m.nextStats = now + leavingStats
		}
		effects = append(effects, CollectStats)
	}
	if !m.connected || m.state == Left {
		return effects
	}
	if m.ackDue != 0 && now >= m.ackDue {
		// The master's socket still holds our identity for a dead connection,
		// and swallows what comes under it.
		return append(effects, m.reconnect(now)...)
	}
	if m.resumeDue != 0 && now >= m.resumeDue {
		if given := m.silence(now, alive); len(given) > 0 {
			return append(effects, given...)
		}
		return append(effects, m.reconnect(now)...) // it may be the same here
	}
	effects = append(effects, m.Beat(now)...)
	if m.modern && m.Joined() && now >= m.nextLogs {
		m.nextLogs = now + m.times.Logs
		effects = append(effects, SendLogs)
	}
	return append(effects, m.silence(now, alive)...)
}

// Beat is the heartbeat alone, for an owner that is busy for so long that the
// next Tick would be late.
//
// A connection whose first message is not answered yet carries no second one:
// if the master's socket still holds the identity for a dead connection, it
// takes the first message for another identity and cannot read the rest, and
// old masters then count once more what they got last from anybody.
func (m *Machine) Beat(now time.Duration) []Effect {
	if !m.counted() || m.state == Left || now < m.nextHeartbeat {
		return nil
	}
	m.nextHeartbeat = now + m.times.Heartbeat
	return []Effect{SendHeartbeat}
}

func (m *Machine) silence(now time.Duration, alive bool) []Effect {
	if !m.echoes || !alive {
		return nil
	}
	switch {
	case now-m.lastEcho >= m.times.Silence:
		// Also when client_ready after client_ready stays unanswered, or when
		// they are but no heartbeat is: then nothing keeps the worker in the
		// master's books.
		m.state = Left
		return []Effect{ExitSilent}
	case now-m.heardUntil() >= m.times.Unknown && now >= m.resumeDue && !m.deafWarned && m.ackDue == 0:
		// Once, until a heartbeat is answered: a second client_ready on one
		// connection would give the worker a double share.
		m.deafWarned = true
		// A master that knew this worker on this very connection has given it
		// up. One that never did since a short outage has not had the time to:
		// it is another.
		m.successor = m.successor || !m.known
		m.resumeDue = 0 // the answer to client_ready will tell
		return m.Step(now, Forgotten)
	}
	return nil
}

// heardUntil is when the master last showed that it knows this worker; on
// connections on which it has not, the time of the first of them.
func (m *Machine) heardUntil() time.Duration {
	if m.unheard {
		return m.unheardSince
	}
	return m.lastWord
}

// lookup finds the row; the table has one for every pair, which its test
// proves.
func lookup(state State, input Input) Row {
	return Table[int(state)*int(inputs)+int(input)]
}
