package worker

import "upsurge/worker/internal/stats"

// inFlight are the reports that were sent on the present connection and are
// not proved to have reached the master. The zero value is for a connection on
// which nothing was sent. The worker's goroutine alone uses it.
//
// A report that is lost with its connection is sent again on the next one. It
// is counted twice if it did arrive and only the proof was lost; that takes a
// connection which breaks within one round trip after the report, while a
// report that a dead line swallowed would else be lost every time.
type inFlight struct {
	sent    uint64 // messages of any kind on this connection
	reports []flyingReport
}

// flyingReport is a report and its number among the connection's messages.
type flyingReport struct {
	number uint64
	report stats.Report
}

// count notes a message that was sent.
func (f *inFlight) count() { f.sent++ }

// hold keeps the report that was the last message sent.
func (f *inFlight) hold(report stats.Report) {
	if !report.Empty() {
		f.reports = append(f.reports, flyingReport{number: f.sent, report: report})
	}
}

// landed lets go of the reports among the first so many messages.
func (f *inFlight) landed(messages uint64) {
	for len(f.reports) > 0 && f.reports[0].number <= messages {
		f.reports = f.reports[1:]
	}
}

// forget lets go of all reports: it does not matter any more whether they
// arrive.
func (f *inFlight) forget() { f.reports = nil }

// end gives back the sum of what is not proved to have arrived, when the
// connection has ended.
func (f *inFlight) end() stats.Report {
	var missing stats.Report
	for i := range f.reports {
		missing.Merge(&f.reports[i].report)
	}
	*f = inFlight{}
	return missing
}
