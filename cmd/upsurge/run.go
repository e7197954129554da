package main

import (
	"context"
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"upsurge/worker/solo"
	"upsurge/worker/user"
)

// runFlags are the flags of upsurge run that every class has. The times are
// texts because Locust counts in seconds where Go wants a unit.
type runFlags struct {
	host        string
	users       string
	spawnRate   string
	runTime     string
	stopTimeout string
	loops       int
	jsonFile    string
	quiet       bool
	log         logging
}

func newRunCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "run CLASS",
		Short: "Run one user class without a master",
		Long: `Run users of one class on this machine, without a master: live progress, a
summary at the end, an exit code that a pipeline can gate on. "upsurge run CLASS
--help" lists the options of a class; they are the same as a master's custom
arguments.

Exit codes: 0 fine, 1 at least one failure, 2 usage, 130 interrupted.`,
		Example: `  upsurge run TcpHoldUser -H 127.0.0.1:9000 -u 10000 -r 2000 -t 60s
  upsurge run HttpQpsUser -H http://127.0.0.1:8080 -u 64 -r 64 -t 10s --json-file result.json`,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) == 0 {
				return errors.New("run needs a user class: " + classList())
			}
			_, err := user.Find(classes(), arguments[0])
			return err
		},
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	for _, class := range classes() {
		command.AddCommand(newRunClassCommand(class))
	}
	return command
}

func classList() string {
	var names []string
	for _, class := range classes() {
		names = append(names, class.Name)
	}
	return strings.Join(names, ", ")
}

func newRunClassCommand(class user.Class) *cobra.Command {
	var flags runFlags
	command := &cobra.Command{
		Use: class.Name, Short: class.Help, Args: cobra.NoArgs,
		Long: "Run users of the class " + class.Name + ": " + class.Help + ".",
	}
	set := command.Flags()
	flags.declare(set, class)
	command.RunE = func(command *cobra.Command, _ []string) error { return flags.run(command, class, set) }
	return command
}

// declare declares the flags, those of the class's options included.
func (f *runFlags) declare(set *pflag.FlagSet, class user.Class) {
	set.SortFlags = false
	set.StringVarP(&f.host, "host", "H", fromEnvironment("", "LOCUST_HOST"), "target, host:port or a URL (env LOCUST_HOST)")
	set.StringVarP(&f.users, "users", "u", fromEnvironment("1", "LOCUST_USERS"), "users to run (env LOCUST_USERS)")
	set.StringVarP(&f.spawnRate, "spawn-rate", "r", fromEnvironment("1", "LOCUST_SPAWN_RATE"), "users to start in a second (env LOCUST_SPAWN_RATE)")
	set.StringVarP(&f.runTime, "run-time", "t", fromEnvironment("", "LOCUST_RUN_TIME"), "stop after this time, such as 90s or 1h30m; default: until Ctrl-C (env LOCUST_RUN_TIME)")
	set.StringVarP(&f.stopTimeout, "stop-timeout", "s", fromEnvironment("0s", "LOCUST_STOP_TIMEOUT"), "time for work in flight at the end; it gets 1s in any case")
	set.IntVar(&f.loops, "loops", 0, "event loops; 0: one for each core")
	set.StringVar(&f.jsonFile, "json-file", "", "write the result to this file")
	set.BoolVar(&f.quiet, "quiet", false, "no progress, only the summary")
	f.log.declare(set)

	declared := &user.OptionSet{}
	class.New().Options(declared)
	for _, option := range declared.All() {
		set.Var(&optionFlag{option}, option.Name, option.Help)
	}
}

// optionFlag shows a class's option as a flag.
type optionFlag struct{ option *user.Option }

func (o *optionFlag) String() string        { return o.option.Text() }
func (o *optionFlag) Set(text string) error { return o.option.Set(text) }

// Type is what the help shows as the value. A switch takes one too, as it does
// on the command line of a master.
func (o *optionFlag) Type() string {
	if o.option.Kind == user.KindBool {
		return "true|false"
	}
	return string(o.option.Kind)
}

// readFlags sets the options that were given as flags.
func readFlags(flags *pflag.FlagSet) func(*user.OptionSet) error {
	return func(options *user.OptionSet) error {
		var faults []error
		flags.Visit(func(flag *pflag.Flag) {
			if given, ok := flag.Value.(*optionFlag); ok {
				faults = append(faults, options.Lookup(flag.Name).Set(given.option.Text()))
			}
		})
		return errors.Join(faults...)
	}
}

// config checks the flags and reports every fault.
func (f *runFlags) config(class user.Class, set *pflag.FlagSet) (solo.Config, error) {
	config := solo.Config{Class: class, Read: readFlags(set), Host: f.host, Loops: f.loops}
	var faults []error
	var err error
	if config.Users, err = strconv.Atoi(f.users); err != nil || config.Users < 1 {
		faults = append(faults, usageError("--users=%s: want a whole number from 1", f.users))
	}
	if config.SpawnRate, err = strconv.ParseFloat(f.spawnRate, 64); err != nil || !(config.SpawnRate > 0) || math.IsInf(config.SpawnRate, 0) {
		faults = append(faults, usageError("--spawn-rate=%s: want a number above 0", f.spawnRate))
	}
	duration := func(name, text string, field *time.Duration) {
		if text == "" {
			return
		}
		value, err := user.ParseDuration(text)
		switch {
		case err != nil:
			faults = append(faults, usageError("--%s=%s: %w", name, text, err))
		case value < 0:
			faults = append(faults, usageError("--%s=%s: want a time of 0 or more", name, text))
		}
		*field = value
	}
	duration("run-time", f.runTime, &config.RunTime)
	duration("stop-timeout", f.stopTimeout, &config.StopTimeout)
	if f.loops < 0 {
		faults = append(faults, usageError("--loops=%d: want 0 or more", f.loops))
	}
	return config, errors.Join(faults...)
}

func (f *runFlags) run(command *cobra.Command, class user.Class, set *pflag.FlagSet) error {
	config, err := f.config(class, set)
	if err != nil {
		return err
	}
	logger, closeLog, err := f.log.open(nil)
	if err != nil {
		return err
	}
	defer closeLog() //nolint:errcheck // nothing is left that could be told of it
	ctx, stop := untilSignal(command.Context(), logger)
	defer stop()
	config.Logger = logger
	view := newLiveView(os.Stderr, f.quiet)
	config.OnProgress, config.Interval = view.show, view.interval()
	r, err := solo.Run(ctx, config)
	view.close()
	if errors.Is(err, solo.ErrSetup) {
		return usageError("%w", err)
	}
	err = errors.Join(err, writeSummary(command.OutOrStdout(), r))
	if f.jsonFile != "" {
		err = errors.Join(err, r.Write(f.jsonFile))
	}
	switch {
	case err != nil:
		return err
	case interrupted(ctx):
		return &exitError{code: exitInterrupted}
	case r.Total.Failures > 0:
		return &exitError{code: exitFailures}
	default:
		return nil
	}
}

func interrupted(ctx context.Context) bool { return ctx.Err() != nil }
