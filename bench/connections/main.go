//go:build linux

// Command connections measures how many TCP connections one machine holds: it
// starts the push target, a real Locust master and workers, has the master ramp
// the users up over its HTTP API, lets every connection receive and check a
// message, stops the test, and prints one table of what all that took.
//
// The main goroutine does everything; goroutines of package exec wait for the
// processes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

// options are the command line.
type options struct {
	n           int
	rate        float64
	binary      string
	locust      string
	locustfile  string
	results     string
	sources     string
	targetPorts int
	inFlight    int
	planOnly    bool
}

func (o *options) parse(arguments []string) error {
	flags := flag.NewFlagSet("connections", flag.ContinueOnError)
	flags.IntVar(&o.n, "n", 1_000_000, "connections to hold")
	flags.Float64Var(&o.rate, "rate", 20_000, "connections to open each second")
	flags.StringVar(&o.binary, "binary", "bin/upsurge", "the upsurge to measure")
	flags.StringVar(&o.locust, "locust", "", "the locust executable that serves as master")
	flags.StringVar(&o.locustfile, "locustfile", "scripts/locustfile.py", "the master's locustfile")
	flags.StringVar(&o.results, "results", "bench/results", "folder for the JSON and CSV; empty writes none")
	flags.StringVar(&o.sources, "source-ips", "", "local addresses of the workers, as --tcp-source-ips takes them; empty leaves it to the system")
	flags.IntVar(&o.targetPorts, "target-ports", 0, "ports that the target listens on; 0: as many as keep the search for local ports short")
	flags.IntVar(&o.inFlight, "connects-in-flight", 0, "most connects under way in each worker process; 0: no limit")
	flags.BoolVar(&o.planOnly, "plan", false, "say what would be done and whether it fits, and do nothing")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	case o.n < 1, o.rate < 1:
		return fmt.Errorf("-n %d and -rate %v: want 1 or more", o.n, o.rate)
	case o.targetPorts < 0, o.inFlight < 0:
		return errors.New("-target-ports and -connects-in-flight: want 0 or more")
	case o.locust == "" && !o.planOnly:
		return errors.New("-locust is empty: want the path of a locust executable, as scripts/locust-env prints it")
	}
	return nil
}

func main() {
	var o options
	if err := o.parse(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "connections:", err)
		os.Exit(exitUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "connections:", err)
		os.Exit(exitFailed)
	}
}

// run plans, prepares the host, measures and writes the results.
func (o *options) run(ctx context.Context) (err error) {
	host, err := readHost()
	if err != nil {
		return err
	}
	plan, err := newPlan(o, host)
	if plan != nil {
		plan.print(os.Stdout)
	}
	if err != nil || o.planOnly {
		return err
	}
	applied, err := applySettings(os.Stdout, plan.settings())
	defer func() { err = errors.Join(err, applied.putBack(os.Stdout)) }()
	if err != nil {
		return err
	}
	bench := &bench{options: o, plan: plan, host: host, began: time.Now()}
	result, err := bench.measure(ctx)
	if result != nil {
		result.print(os.Stdout)
		if o.results != "" && err == nil { // half a run is no result
			err = result.write(o.results)
		}
	}
	if err == nil && result.Failed() {
		err = errors.New("not all that was promised was reached; see the table")
	}
	return err
}
