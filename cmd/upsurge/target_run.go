package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"upsurge/targets"
	"upsurge/targets/admin"
)

const maxTargetProcesses = 1024

// targetServer is what the commands need of a target.
type targetServer interface {
	Addrs() []net.Addr
	Run(context.Context) error
	Stats() targets.Stats
	Close() error
}

// asTargetServer keeps a failed constructor's nil from becoming a non-nil
// interface.
func asTargetServer[S targetServer](server S, err error) (targetServer, error) {
	if err != nil {
		return nil, err
	}
	return server, nil
}

// targetFlags are the options that all targets have.
type targetFlags struct {
	listen                    []string
	backlog, loops, processes int
	dividePorts               bool
	admin                     string
	logging                   logging
}

func (f *targetFlags) register(command *cobra.Command) {
	flags := command.Flags()
	flags.StringSliceVar(&f.listen, "listen", []string{targets.DefaultListen}, "`address` to listen on, host:port or host:first-last; may be repeated")
	flags.IntVar(&f.backlog, "backlog", targets.DefaultBacklog, "length of the accept queue; the kernel clips it to net.core.somaxconn")
	flags.IntVar(&f.loops, "loops", 0, "event loops for each process (0: one for each core)")
	flags.IntVar(&f.processes, "processes", 1, "processes that share the port (-1: one for each core)")
	flags.BoolVar(&f.dividePorts, "divide-ports", false, "give each process addresses of its own instead of sharing all: exact shares for clients that use every address alike")
	flags.StringVar(&f.admin, "admin", "", "`address` of the admin listener with /stats and /healthz; a port alone means loopback")
	f.logging.declare(flags)
}

// refuseZero reports flags that were set to the zero value, which the
// target's configuration would take for "not set".
func (f *targetFlags) refuseZero(command *cobra.Command, names ...string) error {
	for _, name := range names {
		flag := command.Flags().Lookup(name)
		if value := flag.Value.String(); value == "" || value == "0s" {
			return usageError("--%s %q: must not be empty or zero", name, value)
		}
	}
	return nil
}

func (f *targetFlags) binding(log *slog.Logger) (targets.Binding, error) {
	if f.processes == -1 {
		f.processes = runtime.NumCPU()
	}
	if f.processes < 1 || f.processes > maxTargetProcesses {
		return targets.Binding{}, usageError("--processes %d: must be -1 or 1 to %d", f.processes, maxTargetProcesses)
	}
	loops := f.loops
	if loops == 0 && f.processes > 1 {
		loops = max(1, runtime.GOMAXPROCS(0)/f.processes)
	}
	binding, err := targets.Binding{
		Listen: f.listen, Backlog: f.backlog, Loops: loops, Log: log,
	}.Normalized()
	return binding, invalid(err)
}

// run serves until a signal or the command's context ends it, in this process
// or in several.
func (f *targetFlags) run(command *cobra.Command, open func(targets.Binding) (targetServer, error)) error {
	log, closeLog, err := f.logging.open(nil)
	if err != nil {
		return err
	}
	return errors.Join(f.serve(command, log, open), closeLog())
}

func (f *targetFlags) serve(command *cobra.Command, log *slog.Logger, open func(targets.Binding) (targetServer, error)) error {
	ctx, stop := signal.NotifyContext(command.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	binding, err := f.binding(log)
	if err != nil {
		return err
	}
	out := command.OutOrStdout()
	if child, ok := targetChildFromEnvironment(); ok {
		binding.Listen, binding.ReusePort = child.listen, true
		return serveTarget(ctx, out, binding, child.admin, open)
	}
	if f.processes > 1 {
		return superviseTarget(ctx, out, binding, f.processes, f.dividePorts, f.admin)
	}
	return serveTarget(ctx, out, binding, f.admin, open)
}

// serveTarget binds, says so, serves, and prints the final counts.
func serveTarget(ctx context.Context, out io.Writer, binding targets.Binding, adminAddress string, open func(targets.Binding) (targetServer, error)) error {
	server, err := open(binding)
	if err != nil {
		return err
	}
	watch, err := openAdmin(adminAddress, binding.Log, func(context.Context) (targets.Stats, error) {
		return server.Stats(), nil
	})
	if err != nil {
		return errors.Join(err, server.Close())
	}
	announce(out, server.Addrs(), watch)
	err = runTogether(ctx, server.Run, watch)
	return errors.Join(err, json.NewEncoder(out).Encode(server.Stats()))
}

// openAdmin returns nil when there is to be no admin listener.
func openAdmin(address string, log *slog.Logger, source admin.Source) (*admin.Server, error) {
	if address == "" {
		return nil, nil
	}
	return admin.New(address, source, log)
}

// announce prints the lines that scripts wait for.
func announce(out io.Writer, addresses []net.Addr, watch *admin.Server) {
	for _, address := range addresses {
		fmt.Fprintf(out, "%s%s\n", listeningPrefix, address)
	}
	if watch != nil {
		fmt.Fprintf(out, "admin on %s\n", watch.Addr())
	}
}

const listeningPrefix = "listening on "

// runTogether runs a target and its admin listener, which may be nil, until
// the context ends or one of them fails. The listener outlives the target, so
// that the last counts can still be fetched while connections close.
func runTogether(ctx context.Context, run func(context.Context) error, watch *admin.Server) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWatching()
	var watchError error
	var both sync.WaitGroup
	if watch != nil {
		both.Go(func() {
			defer cancel()
			watchError = watch.Run(watching)
		})
	}
	err := run(ctx)
	stopWatching()
	both.Wait()
	return errors.Join(err, watchError)
}
