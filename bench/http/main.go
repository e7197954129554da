// Command http compares what an HTTP request costs the load generator: wrk,
// and the two clients of HttpQpsUser, against the same server in the same run.
//
// Server and generator are pinned to a core each. Every round runs all
// generators in turn, so that what else the machine does falls on all alike;
// the result is each one's median over the rounds, of its ratio to wrk in the
// same round too. The measure is the CPU time of the generator's process for each request, as the
// system accounts it, with everything that belongs to the generator included:
// statistics, percentiles, the summary.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

type settings struct {
	upsurge, wrk          string // executables
	connections           []int
	rounds                int
	duration              time.Duration
	clientCPU, serverCPU  int
	address, output, path string
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench/http:", err)
		os.Exit(1)
	}
}

func run() error {
	s, err := readFlags()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	end, err := startTarget(ctx, s)
	if err != nil {
		return err
	}
	defer end()
	report := newReport(s)
	for _, connections := range s.connections {
		for round := range s.rounds {
			for _, g := range generators {
				m, err := measure(ctx, s, g, connections)
				if err != nil {
					return fmt.Errorf("%s with %d connections: %w", g.name, connections, err)
				}
				report.add(g.name, connections, m)
				fmt.Fprintf(os.Stderr, "%4d connections, round %d: %-9s %6.2f µs/request %8.0f requests/s\n",
					connections, round+1, g.name, m.CPUMicros, m.Rate)
			}
		}
	}
	report.finish()
	report.print(os.Stdout)
	if s.output == "" {
		return nil
	}
	return report.save(s.output)
}

func readFlags() (settings, error) {
	s := settings{}
	var connections string
	flag.StringVar(&s.upsurge, "upsurge", "bin/upsurge", "the upsurge binary")
	flag.StringVar(&s.wrk, "wrk", "wrk", "the wrk binary")
	flag.StringVar(&connections, "connections", "64,512", "numbers of connections, with commas between")
	flag.IntVar(&s.rounds, "rounds", 5, "rounds, of which the median counts")
	flag.DurationVar(&s.duration, "duration", 3*time.Second, "time of one measurement, in whole seconds")
	flag.IntVar(&s.clientCPU, "client-cpu", 1, "core of the generator")
	flag.IntVar(&s.serverCPU, "server-cpu", 0, "core of the server")
	flag.StringVar(&s.address, "address", "127.0.0.1:9180", "where the server listens")
	flag.StringVar(&s.path, "path", "/", "path to ask for")
	flag.StringVar(&s.output, "output", "", "file to write the result to, as JSON")
	flag.Parse()
	if s.rounds < 1 || s.duration < time.Second {
		return s, errors.New("want at least one round, and one second for each measurement")
	}
	for text := range strings.SplitSeq(connections, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 {
			return s, fmt.Errorf("-connections: %q is no number of connections", text)
		}
		s.connections = append(s.connections, n)
	}
	return s, nil
}
