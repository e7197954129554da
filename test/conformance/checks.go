package conformance

// Check is one thing that a worker must do.
type Check struct {
	Number int
	Title  string
	// Quick checks are also part of `make test`.
	Quick bool
}

// Checks lists all checks by their numbers, from 1.
func Checks() []Check {
	checks := []Check{
		{Title: "ack within 1 s; the index is kept after stop and start", Quick: true},
		{Title: "version −1 gives no version warning", Quick: true},
		{Title: "one `client_ready` per connection, also when the ack is 10 s late"},
		{Title: "a worker started before the master joins once"},
		{Title: "heartbeat every 1 ± 0.2 s: all cores saturated, and during a stats frame of 10 MB"},
		{Title: "worker's row on the page: state, users, CPU, memory", Quick: true},
		{Title: "users 0 → 10 → 3 → 10; the counts equal the target within 1 s", Quick: true},
		{Title: "two spawns in one second: the last wins; an older timestamp is dropped", Quick: true},
		{Title: "classes with a count of zero, and classes that the worker lacks", Quick: true},
		{Title: "`fixed_count` and weights over 3 workers: exact totals", Quick: true},
		{Title: "custom arguments, shown and hidden, reach the class; secrets are never logged", Quick: true},
		{Title: "no host; stop timeouts none, 0 and 3 s", Quick: true},
		{Title: "all books agree after stop", Quick: true},
		{Title: "all books agree after the end of a headless run with a stop timeout of 10 s"},
		{Title: "all books agree after SIGTERM to the worker"},
		{Title: "stop during the ramp: only `client_ready`, `heartbeat`, `stats` follow `client_stopped`", Quick: true},
		{Title: "a second test right after the stop counts from 0", Quick: true},
		{Title: "total RPS within 2 %; figures equal those of a Python worker for the same samples"},
		{Title: "reports without requests leave minimum and last request unset", Quick: true},
		{Title: "errors with invalid UTF-8, NUL and 1 MB of text: no `reconnect`, nothing twice", Quick: true},
		{Title: "`reconnect`, a master that rebinds, TCP reset: the worker resumes without `client_ready`"},
		{Title: "network gone for 10 s: heals; for 90 s: registers anew; never deaf"},
		{Title: "master restarted in a test, with its clock 1 h back: rejoins and obeys"},
		{Title: "join and leave in a test, with and without `--enable-rebalancing`: no double share"},
		{Title: "custom messages both ways; unknown types and `update_user_class` do no harm", Quick: true},
		{Title: "worker's clock 15 s ahead: RPS and current percentiles are right"},
		{Title: "60 s without heartbeat replies end the worker, except on masters that never reply"},
		{Title: "50 workers × 20 000 users at 20 000/s: no worker goes missing"},
	}
	for i := range checks {
		checks[i].Number = i + 1
	}
	return checks
}
