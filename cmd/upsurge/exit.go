package main

import (
	"errors"
	"fmt"
)

// The exit codes. They are part of the command line's contract.
const (
	exitFine        = 0
	exitFailures    = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// exitError is an error that decides the exit code.
type exitError struct {
	code int
	err  error // nil: the code says it all, nothing is printed
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError is a fault in what the user typed.
func usageError(format string, arguments ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, arguments...)}
}

// exitCode is the exit code for the error that a command returned.
func exitCode(err error) int {
	var decided *exitError
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &decided):
		return decided.code
	default:
		return exitFailures
	}
}
