// Command upsurge is a load worker for Locust, with the servers to test
// against. This package knows flags, signals and exit codes; the work is done
// by the packages that it wires.
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"upsurge/tasks/httpqps"
	"upsurge/tasks/tcpecho"
	"upsurge/tasks/tcphold"
	"upsurge/worker/user"
)

// version is set by the linker.
var version = "dev"

// classes are the user classes of this binary; a class of one's own is one
// more line here.
func classes() []user.Class {
	return []user.Class{
		tcphold.Class(),
		tcpecho.Class(),
		httpqps.Class(),
	}
}

func main() {
	root := newRootCommand()
	root.SetArgs(workerArguments(os.Args[1:], os.Getenv))
	err := root.Execute()
	var decided *exitError
	if err != nil && (!errors.As(err, &decided) || decided.err != nil) {
		fmt.Fprintln(os.Stderr, "upsurge: "+err.Error())
	}
	os.Exit(exitCode(err))
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "upsurge",
		Short: "A load worker for Locust: a million connections, HTTP at full speed, true numbers",
		Long: `Upsurge is a load worker for Locust. A Locust master steers it as it steers its
own workers ("upsurge worker", or "upsurge --worker" with Locust's own flags);
"upsurge run" works without a master, and "upsurge target" is a server to test
against.

Exit codes: 0 fine, 1 failures or errors, 2 usage, 130 interrupted.`,
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return command.Help()
		},
	}
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error {
		return usageError("%w; see '%s --help'", err, command.CommandPath())
	})
	root.AddCommand(newWorkerCommand(), newRunCommand(), newTargetCommand(), newLocustfileCommand(), newVersionCommand())
	addVersionFlag(root)
	return withUsageErrors(root)
}

// withUsageErrors makes wrong arguments exit with the code for usage, in
// every command.
func withUsageErrors(command *cobra.Command) *cobra.Command {
	if check := command.Args; check != nil {
		command.Args = func(command *cobra.Command, arguments []string) error {
			if err := check(command, arguments); err != nil {
				return usageError("%w; see '%s --help'", err, command.CommandPath())
			}
			return nil
		}
	}
	for _, child := range command.Commands() {
		withUsageErrors(child)
	}
	return command
}

// workerArguments turns Locust's own command line for workers into ours.
func workerArguments(arguments []string, environment func(string) string) []string {
	switch {
	case len(arguments) > 0 && arguments[0] == "worker":
		return joinLists(arguments)
	case asksForWorker(arguments, environment):
		rest := slices.DeleteFunc(slices.Clone(arguments), func(argument string) bool { return argument == "--worker" })
		return joinLists(append([]string{"worker"}, rest...))
	default:
		return arguments
	}
}

// asksForWorker recognises Locust's two ways to ask for a worker, unless the
// command line begins with a subcommand.
func asksForWorker(arguments []string, environment func(string) string) bool {
	if len(arguments) > 0 && (!strings.HasPrefix(arguments[0], "-") || arguments[0] == "-h" || arguments[0] == "--help") {
		return false
	}
	// The values that Locust takes for true in the environment.
	yes := []string{"true", "yes", "on", "1"}
	return slices.Contains(arguments, "--worker") || slices.Contains(yes, strings.ToLower(environment("LOCUST_MODE_WORKER")))
}
