package httpqps

import (
	"errors"
	"net"
	"strconv"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// shownError is how much of an error's text a failure shows, in bytes: the
// parser's errors repeat what the peer sent.
const shownError = 120

// failures numbers the failures of one user. Each text is declared once and
// kept, so that a target that fails every request doesn't cost a text each
// time. Only the user's goroutine may use it.
type failures struct {
	scope    *user.Scope
	kinds    [engine.FailureCount]declared
	statuses map[int]user.Failure // nil until the first
}

type declared struct {
	number user.Failure
	done   bool
}

// transport is the failure of a connection or of the way to it.
func (f *failures) transport(err error) user.Failure {
	kind := engine.Classify(err)
	if kind == engine.Other {
		return f.scope.Failure(otherText(err))
	}
	known := &f.kinds[kind]
	if !known.done {
		known.number, known.done = f.scope.Failure(kind.String()), true
		f.scope.Advise(kind)
	}
	return known.number
}

// otherText leaves out the addresses: each local port would make a failure of
// its own.
func otherText(err error) string {
	if handshake, ok := errors.AsType[*handshakeError](err); ok {
		return shortened(handshake)
	}
	if operation, ok := errors.AsType[*net.OpError](err); ok {
		return operation.Op + ": " + shortened(operation.Err)
	}
	return "other: " + shortened(err)
}

// status is the failure of an answer with an unexpected status.
func (f *failures) status(code int) user.Failure {
	number, known := f.statuses[code]
	if !known {
		if f.statuses == nil {
			f.statuses = make(map[int]user.Failure)
		}
		number = f.scope.Failure("status " + strconv.Itoa(code))
		f.statuses[code] = number
	}
	return number
}

// malformed is the failure of an answer that isn't HTTP.
func (f *failures) malformed(err error) user.Failure {
	return f.scope.Failure("malformed response: " + shortened(err))
}

func shortened(err error) string {
	text := err.Error()
	if len(text) > shownError {
		text = text[:shownError] + "..."
	}
	return text
}
