package worker

import (
	"fmt"
	"time"

	"upsurge/worker/internal/fleet"
	"upsurge/worker/internal/proto"
	"upsurge/worker/internal/stats"
	"upsurge/worker/result"
	"upsurge/worker/user"
)

// test is what the statistics of the present test need.
type test struct {
	start      time.Duration
	origin     time.Time // of the clock, on the master's clock
	resetStats bool
}

// beginTest clears the statistics and prepares the classes. The spawn's
// timestamp tells the master's clock; every time in the statistics is shifted
// to it, because the master compares them with its own.
func (w *Worker) beginTest() {
	w.sayLost()
	// The master answered client_ready with this test, so it has read all that
	// went before that.
	w.flight.forget()
	w.total.Reset()
	target, now, clock := w.machine.Target(), w.now(), w.fleet.Clock()
	offset := time.Duration((target.Timestamp - unixSeconds(clock.Wall(now))) * float64(time.Second))
	w.test = test{start: now, origin: clock.Wall(0).Add(offset)}
	w.fleet.SetOrigin(w.test.origin)

	arguments, err := target.ParsedOptions.Decode()
	w.test.resetStats = arguments["reset_stats"] == true
	w.fleet.Begin(fleet.Test{Host: target.Host, Read: func(options *user.OptionSet) error {
		if err != nil {
			return fmt.Errorf("the master's custom arguments cannot be read: %w", err)
		}
		return options.ReadArguments(arguments)
	}})
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

// collect fetches what the loops have counted since the last time.
func (w *Worker) collect() {
	if w.collecting {
		return
	}
	w.collecting = w.fleet.Collect()
	if !w.collecting && w.clearing.final {
		w.emptied() // the loops have ended, nothing can come
	}
}

func (w *Worker) received(part fleet.Part) {
	for _, block := range part.Blocks {
		if w.discarding > 0 {
			break
		}
		w.unsent.Add(block)
		w.beat()
		w.total.Add(block)
		w.beat()
	}
	part.Release()
	if !w.fleet.Received() {
		return
	}
	w.collecting = false
	switch {
	case w.discarding > 0:
		w.discarding--
		w.collect()
	case w.clearing.final:
		w.emptied()
	case w.machine.Joined():
		w.sendStats()
	}
}

// beat sends the heartbeat that is due. Thousands of rows take a good part of a
// second to add up, and four seconds without a heartbeat make a worker missing.
func (w *Worker) beat() { w.perform(w.machine.Beat(w.now())) }

// sendStats sends all that was counted and not sent. What cannot be sent
// stays for the next time, and what is sent is kept until it has arrived.
func (w *Worker) sendStats() {
	counts, sum := w.fleet.Counts()
	if w.send(w.statsMessage(counts, sum)) {
		w.flight.landed(w.dealer.Delivered())
		w.flight.hold(w.unsent)
		w.unsent = stats.Report{}
	}
}

// takeBack counts as unsent what is not proved to have arrived on a connection
// that ended.
func (w *Worker) takeBack(delivered uint64) {
	w.flight.landed(delivered)
	missing := w.flight.end()
	if missing.Empty() {
		return
	}
	total := missing.Total()
	w.config.Logger.Warn("the connection ended before the master confirmed a report; its counts stay for the next one, and may be counted twice if only the confirmation was lost",
		"requests", total.Count, "failures", total.Failures)
	w.unsent.Merge(&missing)
}

func (w *Worker) statsMessage(counts map[string]int, sum int) proto.Stats {
	message := proto.Stats{Total: w.entry(w.unsent.Total()), UserClassesCount: counts, UserCount: sum}
	for _, row := range w.unsent.Rows() {
		message.Entries = append(message.Entries, w.entry(row))
	}
	for _, e := range w.unsent.Errors() {
		message.Errors = append(message.Errors, proto.Error{
			Method: e.Method, Name: e.Name, Error: e.Text, Occurrences: e.Count,
			FirstSeen: w.epochSeconds(e.First), LastSeen: w.epochSeconds(e.Last),
		})
	}
	return message
}

// epochSeconds is a moment on the master's clock.
func (w *Worker) epochSeconds(moment time.Duration) float64 {
	return unixSeconds(w.test.origin.Add(moment))
}

func (w *Worker) entry(row *stats.RowStats) proto.Entry {
	entry := proto.Entry{
		Method: row.Method, Name: row.Name,
		NumRequests: row.Count, NumNoneRequests: row.NoneCount, NumFailures: row.Failures,
		ContentLength:           row.Bytes,
		TotalResponseTimeMillis: row.TotalMillis(),
		MaxResponseTimeMillis:   stats.Millis(row.MaxLatency),
		StartTime:               w.epochSeconds(w.test.start),
	}
	if row.Count == 0 {
		// Such a report may reach the master between two tests, and the start
		// of the earlier one would stick as that of the later.
		entry.StartTime = w.epochSeconds(w.now())
	}
	if row.Count > 0 {
		last := w.epochSeconds(row.Last)
		entry.LastRequestTimestamp = &last
	}
	if row.HasLatency {
		least := stats.Millis(row.MinLatency)
		entry.MinResponseTimeMillis = &least
	}
	for bucket := range row.LocustBuckets.All() {
		entry.ResponseTimes = append(entry.ResponseTimes, proto.Bucket(bucket))
	}
	entry.NumReqsPerSec = seconds(row.PerSecond)
	entry.NumFailPerSec = seconds(row.FailPerSecond)
	return entry
}

func seconds(counts []stats.SecondCount) []proto.Second {
	list := make([]proto.Second, len(counts))
	for i, c := range counts {
		list[i] = proto.Second(c)
	}
	return list
}

// sayLost gives up what was not sent and says how much it was.
func (w *Worker) sayLost() {
	if !w.unsent.Empty() {
		total := w.unsent.Total()
		w.config.Logger.Warn("the master will not see the last part of this worker's counts", "requests", total.Count, "failures", total.Failures)
	}
	w.unsent.Reset()
}

// resetStats follows a master that zeroed its statistics at the end of the
// ramp, as its option --reset-stats says.
func (w *Worker) resetStats() {
	if w.test.resetStats {
		w.unsent.Reset()
		w.flight.forget()
		w.total.Reset()
		w.test.start = w.now()
		w.discard()
	}
}

// discard throws away what the loops have counted so far: the parts of a
// collection under way and those of one that begins now.
func (w *Worker) discard() {
	w.discarding = 1
	if w.collecting {
		w.discarding++
	}
	w.collect()
}

func (w *Worker) sendLogs() {
	lines, version := w.config.Logbook.Since(w.logsSent)
	if lines != nil && w.send(proto.Logs{WorkerID: w.config.Identity, Lines: lines}) {
		w.logsSent = version
	}
}

// result is the worker's own account of the test.
func (w *Worker) result() result.Result {
	usage, err := w.sampler.Sample(w.now())
	if err != nil {
		w.config.Logger.Debug("reading CPU and memory use", "error", err)
	}
	return result.New(&w.total, result.About{
		Class: classNames(w.machine.Target().UserClassesCount),
		Users: w.machine.Target().UserClassesCount, Duration: w.now() - w.test.start,
		CPUSeconds: usage.CPUSeconds, MaxRSSBytes: usage.MaxRSSBytes,
	})
}
