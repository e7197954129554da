package worker

import (
	"sync/atomic"

	"upsurge/worker/internal/proto"
)

const (
	// exceptionsPerTick bounds what a broken class sends: at 20 ticks a second,
	// 200 messages.
	exceptionsPerTick = 10
	// exceptionsKept is how many wait while the master is away.
	exceptionsKept = 100
)

// exception is an error of a user class on its way to the master.
type exception struct{ message, traceback string }

// exceptions are the errors of user classes that the master has not been told
// of. Only queue may be called from any goroutine; the rest is the worker's.
type exceptions struct {
	arriving chan exception
	waiting  []exception
	leftOut  atomic.Int64
}

func newExceptions() *exceptions {
	return &exceptions{arriving: make(chan exception, exceptionsKept)}
}

// queue takes an error and never waits. When a class fails faster than the
// master is told, the rest is left out and counted: the first ones say it.
func (e *exceptions) queue(message, traceback string) {
	select {
	case e.arriving <- exception{message, traceback}:
	default:
		e.leftOut.Add(1)
	}
}

// take gives the next one that arrived, if it can be kept.
func (e *exceptions) take() (exception, bool) {
	if len(e.waiting) >= exceptionsKept {
		return exception{}, false
	}
	select {
	case next := <-e.arriving:
		e.waiting = append(e.waiting, next)
		return next, true
	default:
		return exception{}, false
	}
}

// forwardExceptions logs what arrived and tells the master as soon as it can
// be told.
func (w *Worker) forwardExceptions() {
	for range exceptionsPerTick {
		next, ok := w.exceptions.take()
		if !ok {
			break
		}
		w.config.Logger.Error("exception in a user class", "error", next.message)
	}
	if leftOut := w.exceptions.leftOut.Swap(0); leftOut > 0 {
		w.config.Logger.Error("more exceptions in user classes than the master is told of", "left_out", leftOut)
	}
	if !w.machine.Joined() {
		return
	}
	for _, e := range w.exceptions.waiting {
		w.send(proto.Exception{Message: e.message, Traceback: e.traceback})
	}
	w.exceptions.waiting = nil
}
