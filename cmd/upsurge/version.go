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
			_, err := fmt.Fprintf(command.OutOrStdout(), "upsurge %s (transport %s, %s, %s/%s)\n",
				version, worker.Transport, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
