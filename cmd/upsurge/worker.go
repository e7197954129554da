package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"upsurge/worker"
	"upsurge/worker/logbook"
	"upsurge/worker/result"
	"upsurge/worker/user"
)

// workerFlags are the flags of upsurge worker that do something.
type workerFlags struct {
	masterHost string
	masterPort string
	processes  string
	loops      int
	jsonFile   string
	log        logging
}

func newWorkerCommand() *cobra.Command {
	var flags workerFlags
	command := &cobra.Command{
		Use:   "worker",
		Short: "Join a Locust master and work for it",
		Long: `Join a Locust master and run the users that it asks for. The class names in the
master's locustfile say which; "upsurge locustfile" prints one that has them
all. Every flag that Locust has is accepted; those that only concern a master
are ignored. "upsurge --worker" is the same command.

A master that is not there yet is waited for. SIGTERM and Ctrl-C end the users,
report all that they did, and take leave of the master.`,
		Example: `  upsurge worker --master-host 10.0.0.1
  upsurge worker --master-host 10.0.0.1 --processes -1
  upsurge --worker --master-host 10.0.0.1 -L DEBUG`,
		Args: checkClassNames,
		RunE: func(command *cobra.Command, _ []string) error { return flags.run(command) },
	}
	set := command.Flags()
	set.SortFlags = false
	set.StringVar(&flags.masterHost, "master-host", fromEnvironment("127.0.0.1", "LOCUST_MASTER_NODE_HOST", "LOCUST_MASTER_HOST"), "host name or address of the master (env LOCUST_MASTER_NODE_HOST)")
	set.StringVar(&flags.masterPort, "master-port", fromEnvironment("5557", "LOCUST_MASTER_NODE_PORT", "LOCUST_MASTER_PORT"), "port of the master for workers (env LOCUST_MASTER_NODE_PORT)")
	set.StringVar(&flags.processes, "processes", fromEnvironment("1", "LOCUST_PROCESSES"), "worker processes to start, each a worker of its own; -1: one for each core (env LOCUST_PROCESSES)")
	set.IntVar(&flags.loops, "loops", 0, "event loops in each process; 0: one for each core, or one if there are several processes")
	set.StringVar(&flags.jsonFile, "json-file", "", "write this worker's own sums to the file after each test; with several processes, -1, -2, ... is added to its name")
	flags.log.declare(set)
	addVersionFlag(command)
	acceptLocustFlags(set)
	return command
}

// checkClassNames takes the names of user classes, which Locust has at the end
// of its command line, and nothing else: what lacks its dashes is no class.
func checkClassNames(_ *cobra.Command, arguments []string) error {
	for _, name := range arguments {
		if _, err := user.Find(classes(), name); err != nil {
			return err
		}
	}
	return nil
}

// config checks the flags.
func (f *workerFlags) config() (worker.Config, int, error) {
	port, err := strconv.Atoi(f.masterPort)
	if err != nil || port < 1 || port > 65535 {
		return worker.Config{}, 0, usageError("--master-port=%s (or its environment variable): want a number from 1 to 65535", f.masterPort)
	}
	processes, err := processCount(f.processes)
	if err != nil {
		return worker.Config{}, 0, err
	}
	if f.loops < 0 {
		return worker.Config{}, 0, usageError("--loops=%d: want 0 or more", f.loops)
	}
	if f.jsonFile != "" {
		if err := result.CheckPath(f.jsonFile); err != nil {
			return worker.Config{}, 0, usageError("--json-file: %w", err)
		}
	}
	if strings.TrimSpace(f.masterHost) == "" {
		return worker.Config{}, 0, usageError("--master-host is empty: want a name or an address")
	}
	return worker.Config{MasterHost: f.masterHost, MasterPort: port, Classes: classes(), Loops: f.loops}, processes, nil
}

func (f *workerFlags) run(command *cobra.Command) error {
	config, processes, err := f.config()
	if err != nil {
		return err
	}
	book := logbook.New()
	logger, closeLog, err := f.log.open(book)
	if err != nil {
		return err
	}
	defer closeLog() //nolint:errcheck // nothing is left that could be told of it
	ctx, stop := untilSignal(command.Context(), logger)
	defer stop()
	share, child := processShare()
	if processes > 1 && !child {
		return runProcesses(ctx, processes, logger)
	}
	if child && config.Loops == 0 {
		config.Loops = 1
	}
	ignoredLocustFlags(command.Flags(), logger)
	config.Logger, config.Logbook = logger, book
	config.Share = share
	config.OnResult = f.keepResult(logger, share)
	return f.work(ctx, config)
}

func (f *workerFlags) work(ctx context.Context, config worker.Config) error {
	w, err := worker.New(config)
	if err != nil {
		return usageError("%w", err)
	}
	config.Logger.Info("worker starts", "version", version, "transport", worker.Transport, "master", config.MasterHost+":"+strconv.Itoa(config.MasterPort))
	if err := w.Run(ctx); err != nil {
		return err
	}
	config.Logger.Info("worker ends")
	return nil
}

// keepResult logs the worker's own sums after each test, and writes them to
// the file if one was asked for.
func (f *workerFlags) keepResult(logger *slog.Logger, share user.Share) func(result.Result) {
	path := f.jsonFile
	if path != "" && share.Count > 0 {
		extension := filepath.Ext(path)
		path = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, extension), share.Index+1, extension)
	}
	return func(r result.Result) {
		logger.Info("test ended", "requests", r.Total.Count, "failures", r.Total.Failures, "duration_s", r.DurationSeconds)
		if path == "" {
			return
		}
		if err := r.Write(path); err != nil {
			logger.Error("the result was not written", "error", err)
		}
	}
}
