package main

import (
	"github.com/spf13/cobra"

	"upsurge/targets"
	"upsurge/targets/echo"
)

func newTargetEchoCommand() *cobra.Command {
	var flags targetFlags
	command := &cobra.Command{
		Use:   "echo",
		Short: "Send back what comes in",
		Long: `Sends back what comes in. While a peer doesn't read its echo, nothing more is
read from it.`,
		Example: "  upsurge target echo --listen :7000 --processes -1",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return flags.run(command, func(binding targets.Binding) (targetServer, error) {
				return asTargetServer(echo.New(echo.Config{Binding: binding}))
			})
		},
	}
	flags.register(command)
	return command
}
