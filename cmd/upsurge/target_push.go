package main

import (
	"github.com/spf13/cobra"

	"upsurge/targets"
	"upsurge/targets/push"
)

func newTargetPushCommand() *cobra.Command {
	var flags targetFlags
	var config push.Config
	command := &cobra.Command{
		Use:   "push",
		Short: "Send every connection a message each interval",
		Long: `Sends every connection a message each interval and drops what it gets. The
interval counts from the connection's accept; the first message comes after
one interval, unless --immediate is given. A connection whose peer doesn't read
is left out (slow_skipped) rather than buffered for.`,
		Example: "  upsurge target push --listen :80 --interval 550s --message ok --admin :9090",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := flags.refuseZero(command, "interval", "message"); err != nil {
				return err
			}
			if err := invalid(config.Validate()); err != nil {
				return err
			}
			return flags.run(command, func(binding targets.Binding) (targetServer, error) {
				config.Binding = binding
				return asTargetServer(push.New(config))
			})
		},
	}
	flags.register(command)
	command.Flags().DurationVar(&config.Interval, "interval", push.DefaultInterval, "time between two messages to one connection")
	command.Flags().StringVar(&config.Message, "message", push.DefaultMessage, "what to send, as it is")
	command.Flags().BoolVar(&config.Immediate, "immediate", false, "send the first message on accept")
	return command
}
