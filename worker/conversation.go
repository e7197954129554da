package worker

import (
	"errors"
	"syscall"
	"time"

	"upsurge/worker/internal/proto"
	"upsurge/worker/internal/session"
	"upsurge/worker/internal/zmq"
)

const (
	// spawnWindow is the time over which the users of one spawn message are
	// started. Masters send one a second; the rest of the second is for the
	// answer, which the master waits one second for.
	spawnWindow = 800 * time.Millisecond
	// settleTime is how long the last users of a spawn may take to be present
	// before the worker says what is there.
	settleTime = 500 * time.Millisecond
	// flightGrace and graceForEach are the least that work in flight gets when
	// users end, also with a stop timeout of 0: what was sent is counted by the
	// target, so cutting it off would make the two sides' books differ. Users
	// without work in flight end at once, whatever the grace.
	flightGrace  = time.Second
	graceForEach = 20 * time.Microsecond
	// longestGrace keeps sums of times from overflowing.
	longestGrace = 10 * 365 * 24 * time.Hour
	// quitGrace is the same after quit: the master reads for half a second more.
	quitGrace = 350 * time.Millisecond
	// lateLimit is how long users may outstay their end before the worker
	// goes on without them; those that wait for their peers have bounds of their
	// own below it.
	lateLimit = 10 * time.Second
)

// goal is a target on its way.
type goal struct {
	active   bool
	settleBy time.Duration // 0: not every user is placed yet
}

// clearing is the end of all users on its way.
type clearing struct {
	active    bool
	abandoned bool // users that do not end are given up
	final     bool // the collection under way began when all were gone
	limit     time.Duration
	left      int // users that were there when the limit was set
}

// message decodes and takes one message of the master. One that cannot be
// read is logged and left: the master's next ones may be fine.
func (w *Worker) message(data []byte) {
	message, err := proto.Decode(data)
	if err != nil {
		w.config.Logger.Error("ignoring a message from the master that is not Locust's", "bytes", len(data), "error", err)
		return
	}
	w.config.Logger.Debug("from the master", "message", proto.TypeOf(message))
	if custom, ok := message.(proto.Custom); ok {
		w.customArrived(custom)
	}
	w.perform(w.machine.Message(w.now(), message))
}

// perform carries out effects in their order.
func (w *Worker) perform(effects []session.Effect) {
	for _, effect := range effects {
		w.performOne(effect)
	}
}

func (w *Worker) performOne(effect session.Effect) {
	switch effect {
	case session.BeginTest:
		w.beginTest()
	case session.ApplyTarget:
		target := w.machine.Target()
		w.fleet.Apply(target.UserClassesCount, spawnWindow, min(max(target.StopTimeout, flightGrace), longestGrace))
		w.goal = goal{active: true}
	case session.StopUsers:
		_, users := w.fleet.Counts()
		w.clear(max(w.machine.Target().StopTimeout, flightGrace+time.Duration(users)*graceForEach), true)
	case session.EndUsers:
		w.clear(quitGrace, false)
	case session.SendReady:
		w.send(proto.ClientReady{})
	case session.SendSpawning:
		w.send(proto.Spawning{})
	case session.SendComplete:
		counts, sum := w.fleet.Counts()
		w.send(proto.WorkerSpawningComplete{UserClassesCount: counts, UserCount: sum})
	case session.SendStopped:
		w.send(proto.ClientStopped{})
	case session.SendQuit:
		w.send(proto.WorkerQuit{})
	case session.SendStats:
		w.sendStats()
	case session.SendLate:
		if !w.unsent.Empty() {
			w.sendStats()
		}
	case session.CollectStats:
		w.collect()
	case session.DropStats:
		w.sayLost()
	case session.ResetStats:
		w.resetStats()
	case session.SendHeartbeat:
		w.sendHeartbeat()
	case session.SendLogs:
		w.sendLogs()
	case session.Reconnect:
		w.dealer.Reset("no acknowledgement from the master, or it asked for a new connection")
	case session.Exit:
		w.left = true
	case session.ExitSilent:
		w.err, w.left = ErrSilent, true
	}
}

// send queues a message on the present connection. What cannot be sent for
// want of one is made good by the conversation that the next one begins with;
// a full queue means that the master does not read, and is said.
func (w *Worker) send(report proto.Report) bool {
	data, err := report.Append(nil, w.config.Identity)
	if err == nil {
		err = w.dealer.Send(w.epoch, data)
	}
	switch {
	case err == nil:
		w.flight.count()
		return true
	case errors.Is(err, zmq.ErrNotConnected), errors.Is(err, zmq.ErrStale):
		w.config.Logger.Debug("not sent", "message", report, "error", err)
	default:
		w.config.Logger.Warn("a message to the master was not sent", "error", err)
	}
	return false
}

func (w *Worker) sendHeartbeat() {
	usage, err := w.sampler.Sample(w.now())
	if err != nil {
		w.config.Logger.Debug("reading CPU and memory use", "error", err)
	}
	w.send(proto.WorkerHeartbeat{
		State:      proto.State(w.machine.State().OnWire()),
		CPUPercent: usage.CPUPercent, MemoryBytes: usage.MemoryBytes,
	})
}

// clear ends every user; fleetChanged notices when they are gone.
func (w *Worker) clear(grace time.Duration, patient bool) {
	grace = min(grace, longestGrace)
	w.goal = goal{}
	w.clearing = clearing{active: true, limit: w.now() + grace + lateLimit, left: w.fleet.Remaining()}
	w.fleet.Clear(grace, patient)
}

// fleetChanged looks at what the loops have done: are the users that the
// master asked for there, or are they all gone.
func (w *Worker) fleetChanged() {
	if w.goal.active && w.fleet.Placed() {
		now := w.now()
		if w.goal.settleBy == 0 {
			w.goal.settleBy = now + settleTime
		}
		if now >= w.goal.settleBy || w.fleet.Full() {
			w.goal = goal{}
			w.perform(w.machine.Step(now, session.TargetReached))
		}
	}
	if w.clearing.active && !w.clearing.final && !w.collecting && (w.clearing.abandoned || w.fleet.Empty()) {
		w.clearing.final = true
		w.collect()
	}
}

// emptied ends the test: every user is gone and every sample is here.
func (w *Worker) emptied() {
	w.clearing = clearing{}
	w.forwardExceptions() // before client_stopped, after which the test is over
	if cut := w.fleet.Cut(); cut > 0 {
		w.config.Logger.Warn("users were ended with something in flight; the target may have counted more than this worker", "users", cut)
	}
	w.config.OnResult(w.result())
	w.perform(w.machine.Step(w.now(), session.Emptied))
}

// dialFailed notes, on the transport's goroutine, whether nobody listened.
func (w *Worker) dialFailed(err error) {
	if errors.Is(err, syscall.ECONNREFUSED) {
		select {
		case w.refused <- struct{}{}:
		default:
		}
	}
}
