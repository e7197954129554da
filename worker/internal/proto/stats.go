package proto

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Stats reports what was counted since the last report; only the users are
// absolute. Send one every few seconds, idle or not.
type Stats struct {
	// Entries are the rows in which something happened; leave out the others.
	Entries []Entry
	// Total must be the sum of Entries. Its Name and Method are ignored.
	Total  Entry
	Errors []Error
	// UserClassesCount is what the master's Workers tab adds up.
	UserClassesCount map[string]int
	UserCount        int
	// Extra fields reach the worker_report listeners of the master's
	// locustfile; a master without such listeners ignores them. The values
	// are as in WorkerCustom.Data.
	Extra map[string]any
}

// Entry is a row of the statistics.
type Entry struct {
	Method, Name    string
	NumRequests     int64 // failed ones included
	NumNoneRequests int64 // those of them without a response time
	NumFailures     int64
	ContentLength   int64 // bytes, sum

	TotalResponseTimeMillis float64
	MaxResponseTimeMillis   float64
	// MinResponseTimeMillis is nil if there was no response time; 0 would
	// stick as the minimum of the whole test.
	MinResponseTimeMillis *float64

	// StartTime, in seconds since 1970, is when the test began; the master
	// divides by the time since, so it must not be 0.
	StartTime float64
	// LastRequestTimestamp, in seconds since 1970, is nil if there was no
	// request.
	LastRequestTimestamp *float64

	// ResponseTimes holds NumRequests-NumNoneRequests samples. The master
	// takes the buckets as they are.
	ResponseTimes []Bucket
	// NumReqsPerSec and NumFailPerSec hold NumRequests and NumFailures.
	NumReqsPerSec, NumFailPerSec []Second
}

// Bucket counts samples with one rounded response time. A slice of buckets
// ascends by Millis and has none twice.
type Bucket struct {
	Millis, Count int64
}

// Second counts what fell into one second since 1970. A slice of seconds
// ascends by Second and has none twice.
type Second struct {
	Second, Count int64
}

// Error is a row of the Failures tab. Errors of the same method, name and
// text are added up.
type Error struct {
	Method, Name, Error string
	Occurrences         int64
	FirstSeen, LastSeen float64 // seconds since 1970; 0: unknown
}

// The fields of a stats message that Extra may not replace.
var statsFields = []string{"stats", "stats_total", "errors", "user_classes_count", "user_count"}

// Append implements Report. It refuses numbers that aren't finite, a start
// time of 0, buckets and seconds out of order, and Extra fields that have a
// name of Locust's own: each of these would cost a part of the report, or
// spoil the master's table for the rest of the test.
func (m Stats) Append(dst []byte, node string) ([]byte, error) {
	return appendMessage(dst, typeStats, node, func(w *writer) {
		w.mapHeader(len(statsFields) + len(m.Extra))
		w.key("stats")
		w.arrayHeader(len(m.Entries))
		for i := range m.Entries {
			w.entry(&m.Entries[i])
		}
		w.key("stats_total")
		w.entry(&m.Total)
		w.key("errors")
		w.errors(m.Errors)
		w.key("user_classes_count")
		w.counts(m.UserClassesCount)
		w.key("user_count")
		w.integer(int64(m.UserCount))
		for _, name := range slices.Sorted(maps.Keys(m.Extra)) {
			if slices.Contains(statsFields, name) {
				w.fail(fmt.Errorf("%w: extra field %q is one of Locust's own", ErrUnsendable, name))
			}
			w.key(name)
			w.value(m.Extra[name], 0)
		}
	})
}

func (w *writer) entry(e *Entry) {
	if fault := e.fault(); fault != "" {
		w.fail(fmt.Errorf("%w: row %.80q %.80q: %s", ErrUnsendable, e.Method, e.Name, fault))
		return
	}
	w.mapHeader(14)
	w.key("name")
	w.text(e.Name, MaxNameBytes)
	w.key("method")
	w.text(e.Method, MaxNameBytes)
	w.key("last_request_timestamp")
	w.floatOrNull(e.LastRequestTimestamp)
	w.key("start_time")
	w.float(e.StartTime)
	w.key("num_requests")
	w.integer(e.NumRequests)
	w.key("num_none_requests")
	w.integer(e.NumNoneRequests)
	w.key("num_failures")
	w.integer(e.NumFailures)
	w.key("total_response_time")
	w.float(e.TotalResponseTimeMillis)
	w.key("max_response_time")
	w.float(e.MaxResponseTimeMillis)
	w.key("min_response_time")
	w.floatOrNull(e.MinResponseTimeMillis)
	w.key("total_content_length")
	w.integer(e.ContentLength)
	w.key("response_times")
	w.mapHeader(len(e.ResponseTimes))
	for _, bucket := range e.ResponseTimes {
		w.integer(bucket.Millis)
		w.integer(bucket.Count)
	}
	w.key("num_reqs_per_sec")
	w.seconds(e.NumReqsPerSec)
	w.key("num_fail_per_sec")
	w.seconds(e.NumFailPerSec)
}

func (w *writer) seconds(counts []Second) {
	w.mapHeader(len(counts))
	for _, second := range counts {
		w.integer(second.Second)
		w.integer(second.Count)
	}
}

// fault says what is wrong with an entry, or "".
func (e *Entry) fault() string {
	switch {
	case !finite(e.StartTime) || e.StartTime <= 0:
		return "start_time is not a time"
	case !finite(e.TotalResponseTimeMillis):
		return "total_response_time is not finite"
	case !finite(e.MaxResponseTimeMillis):
		return "max_response_time is not finite"
	case e.MinResponseTimeMillis != nil && !finite(*e.MinResponseTimeMillis):
		return "min_response_time is not finite"
	case e.LastRequestTimestamp != nil && !finite(*e.LastRequestTimestamp):
		return "last_request_timestamp is not finite"
	case !ascending(e.ResponseTimes, func(b Bucket) int64 { return b.Millis }):
		return "response_times don't ascend"
	case !ascending(e.NumReqsPerSec, func(s Second) int64 { return s.Second }):
		return "num_reqs_per_sec don't ascend"
	case !ascending(e.NumFailPerSec, func(s Second) int64 { return s.Second }):
		return "num_fail_per_sec don't ascend"
	}
	return ""
}

// ascending guards the counts: of a key that occurs twice in a map, the
// master keeps only the last.
func ascending[T any](items []T, key func(T) int64) bool {
	for i := 1; i < len(items); i++ {
		if key(items[i-1]) >= key(items[i]) {
			return false
		}
	}
	return true
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// keyedError is an Error as it is sent.
type keyedError struct {
	key string
	Error
}

func (w *writer) errors(list []Error) {
	merged := mergeErrors(list)
	w.mapHeader(len(merged))
	for _, e := range merged {
		w.key(e.key)
		w.mapHeader(6)
		w.key("name")
		w.text(e.Name, MaxNameBytes)
		w.key("method")
		w.text(e.Method, MaxNameBytes)
		w.key("error")
		w.text(e.Error.Error, MaxErrorBytes)
		w.key("occurrences")
		w.integer(e.Occurrences)
		w.key("first_seen")
		w.seen(e.FirstSeen)
		w.key("last_seen")
		w.seen(e.LastSeen)
	}
}

// seen writes a time that the master compares with others: null if unknown.
func (w *writer) seen(moment float64) {
	if moment > 0 && finite(moment) {
		w.float(moment)
		return
	}
	w.null()
}

// mergeErrors gives each error its key and adds up those that have the same
// one: texts that differed only in what is cut off or replaced before they
// are sent. The order is that of the keys.
func mergeErrors(list []Error) []keyedError {
	keyed := make([]keyedError, 0, len(list))
	for _, e := range list {
		e.Method = sendable(e.Method, MaxNameBytes)
		e.Name = sendable(e.Name, MaxNameBytes)
		e.Error = sendable(e.Error, MaxErrorBytes)
		keyed = append(keyed, keyedError{key: errorKey(e), Error: e})
	}
	slices.SortStableFunc(keyed, func(a, b keyedError) int { return cmp.Compare(a.key, b.key) })
	merged := keyed[:0]
	for _, e := range keyed {
		if last := len(merged) - 1; last >= 0 && merged[last].key == e.key {
			sum := &merged[last]
			sum.Occurrences += e.Occurrences
			sum.FirstSeen = earliest(sum.FirstSeen, e.FirstSeen)
			sum.LastSeen = max(sum.LastSeen, e.LastSeen)
			continue
		}
		merged = append(merged, e)
	}
	return merged
}

// earliest is the lower of two times of which 0 is unknown.
func earliest(a, b float64) float64 {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// errorKey is the same for equal errors of all workers and runs: the master
// merges by it. Sendable texts hold no NUL, which therefore separates.
func errorKey(e Error) string {
	sum := sha256.Sum256([]byte(e.Method + "\x00" + e.Name + "\x00" + e.Error))
	return hex.EncodeToString(sum[:])
}
