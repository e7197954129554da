// Package targets holds what the target servers have in common: the counts
// that they keep and the way they are bound to addresses. The servers
// themselves stand in the folders below. They import nothing of the worker,
// so that their books are those of an independent witness. Nothing here runs
// on a goroutine of its own.
package targets

// Counters are the books of one target. Within a server each event loop owns
// one of them and counts without locks; they are added up on demand.
type Counters struct {
	// Accepted, Open and Closed count connections: Accepted = Open + Closed.
	Accepted int64 `json:"accepted"`
	Open     int64 `json:"open"`
	Closed   int64 `json:"closed"`
	// MessagesSent counts messages handed to the kernel in full: pushes,
	// echoed reads, HTTP responses.
	MessagesSent int64 `json:"messages_sent"`
	// MessagesReceived counts reads (echo) or requests read in full, body
	// included (http). The push target frames nothing and leaves it at 0.
	MessagesReceived int64 `json:"messages_received"`
	// Requests counts HTTP requests read in full, body included; it is
	// raised before the response is sent. As long as nothing fails it
	// equals the number of responses that clients have seen. A request that
	// can't be parsed counts in Errors instead.
	Requests int64 `json:"requests"`
	// BytesSent and BytesReceived count what passed the socket (over TLS:
	// the encrypted bytes).
	BytesSent     int64 `json:"bytes_sent"`
	BytesReceived int64 `json:"bytes_received"`
	// SlowSkipped counts messages not sent because the peer had not read
	// the previous ones and the kernel's buffer was full.
	SlowSkipped int64 `json:"slow_skipped"`
	// AcceptErrors counts failed accepts, mostly for want of descriptors.
	AcceptErrors int64 `json:"accept_errors"`
	// Errors counts connections that ended by an error (reset, broken
	// pipe, garbage instead of a request) rather than by an orderly close.
	Errors int64 `json:"errors"`
}

// Add adds the counts of another loop or process.
func (c *Counters) Add(other Counters) {
	c.Accepted += other.Accepted
	c.Open += other.Open
	c.Closed += other.Closed
	c.MessagesSent += other.MessagesSent
	c.MessagesReceived += other.MessagesReceived
	c.Requests += other.Requests
	c.BytesSent += other.BytesSent
	c.BytesReceived += other.BytesReceived
	c.SlowSkipped += other.SlowSkipped
	c.AcceptErrors += other.AcceptErrors
	c.Errors += other.Errors
}

// Stats is what a target reports about itself, as JSON.
type Stats struct {
	Counters
	// Processes is the number of processes that these counts come from.
	Processes int `json:"processes"`
	// UptimeSeconds is the time since the target was bound; of several
	// processes, the longest.
	UptimeSeconds float64 `json:"uptime_seconds"`
	// PID is the process that reports; with several, their parent.
	PID int `json:"pid"`
}

// Add adds the stats of another process that serves the same port. PID stays
// as it is.
func (s *Stats) Add(other Stats) {
	s.Counters.Add(other.Counters)
	s.Processes += other.Processes
	s.UptimeSeconds = max(s.UptimeSeconds, other.UptimeSeconds)
}
