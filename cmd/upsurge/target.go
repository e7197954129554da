package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// newTargetCommand returns "upsurge target" with one command for each server
// to test against.
func newTargetCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "target",
		Short: "Servers to test against: push, echo, http",
		Long: `Servers to test against. Each holds up to a million connections on event
loops, keeps its own books, and ends on SIGINT or SIGTERM with one line of
JSON on stdout: its counts.

On start each prints "listening on ADDRESS" for every address (and "admin on
ADDRESS") to stdout, so that a script can ask for port 0.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("unknown target %q: there are %s", args[0], targetNames(command))
			}
			return command.Help()
		},
	}
	command.AddCommand(newTargetPushCommand(), newTargetEchoCommand(), newTargetHTTPCommand())
	return command
}

func targetNames(command *cobra.Command) string {
	var names []string
	for _, sub := range command.Commands() {
		names = append(names, sub.Name())
	}
	return strings.Join(names, ", ")
}

// invalid marks what a configuration's Validate found as a mistake in usage.
func invalid(err error) error {
	if err == nil {
		return nil
	}
	return usageError("bad options: %w", err)
}
