package fleet

import (
	"log/slog"
	"sync"

	"upsurge/worker/engine"
)

// advice logs what to do about a failure of the system's own limits, once
// for each kind in a test: a million users can meet the same limit in the
// same second. Safe from any goroutine.
type advice struct {
	logger *slog.Logger
	mu     sync.Mutex
	given  map[engine.Failure]bool
}

func newAdvice(logger *slog.Logger) *advice {
	return &advice{logger: logger, given: make(map[engine.Failure]bool)}
}

func (a *advice) about(failure engine.Failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.given[failure] {
		return
	}
	a.given[failure] = true
	a.logger.Warn("failure: "+failure.String(), "advice", failure.Advice())
}

func (a *advice) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.given)
}
