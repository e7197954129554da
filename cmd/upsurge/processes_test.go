package main

import (
	"context"
	"errors"
	"os/exec"
	"testing"
)

func TestWorstExit(t *testing.T) {
	ended := func(script string) error { return exec.CommandContext(t.Context(), "sh", "-c", script).Run() }
	cases := []struct {
		name string
		ends []error
		want int
	}{
		{name: "nobody", want: exitFine},
		{name: "all well", ends: []error{nil, nil}, want: exitFine},
		{name: "asked to end", ends: []error{context.Canceled, nil}, want: exitFine},
		{name: "one failed", ends: []error{nil, ended("exit 1"), nil}, want: exitFailures},
		{name: "the worst counts", ends: []error{ended("exit 2"), ended("exit 130"), ended("exit 1")}, want: exitInterrupted},
		{name: "killed", ends: []error{nil, ended("kill -9 $$")}, want: exitFailures},
		{name: "not started", ends: []error{errors.New("no such file")}, want: exitFailures},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			queue := make(chan error, len(c.ends))
			for _, err := range c.ends {
				queue <- err
			}
			if got := exitCode(worstExit(queue, len(c.ends))); got != c.want {
				t.Errorf("exit code %d, want %d", got, c.want)
			}
		})
	}
}
