package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"upsurge/worker"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, transport and platform",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(command.OutOrStdout(), versionLine())
			return err
		},
	}
}

func versionLine() string {
	return fmt.Sprintf("upsurge %s (transport %s, %s, %s/%s)",
		version, worker.Transport, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// addVersionFlag gives a command --version and, as Locust has it, -V.
func addVersionFlag(command *cobra.Command) {
	command.Version = versionLine()
	command.SetVersionTemplate("{{.Version}}\n")
	command.Flags().BoolP("version", "V", false, "print version, transport and platform")
}
