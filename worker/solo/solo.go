// Package solo runs one user class without a master: the same users, loops
// and statistics as under one. Run's goroutine owns everything.
package solo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"upsurge/worker/internal/fleet"
	"upsurge/worker/internal/host"
	"upsurge/worker/internal/stats"
	"upsurge/worker/result"
	"upsurge/worker/user"
)

// Config is a run. Zero fields mean their defaults; Class has none.
type Config struct {
	Class       user.Class
	Read        func(*user.OptionSet) error // sets the class's options
	Host        string
	Users       int           // default 1
	SpawnRate   float64       // users a second; default 1
	RunTime     time.Duration // 0: until ctx ends
	StopTimeout time.Duration // for work in flight at the end
	Loops       int           // event loops; default: one for each core
	Logger      *slog.Logger
	// Interval is the time between two calls of OnProgress; default 2 s.
	Interval   time.Duration
	OnProgress func(Progress)
}

// Progress is how a run stands.
type Progress struct {
	Elapsed        time.Duration
	Users, Wanted  int
	Interval       result.Row // since the progress before
	Total          result.Row
	Stopping, Last bool
}

// ErrSetup says that the run could not begin: an option, the host or the class
// itself is at fault.
var ErrSetup = errors.New("the run cannot begin")

// ErrException says that the code of the user class failed: what it did
// before is in the result.
var ErrException = errors.New("the user class raised an exception")

// longest is the longest time in a run: sums of a few of them still are
// durations.
const longest = 10 * 365 * 24 * time.Hour

// flightGrace is the least that work in flight gets at the end, so that the
// target's books and ours agree.
const flightGrace = time.Second

// lateLimit is how long users may outstay their end before the run ends
// without them: a blocking user can be told to leave, but not made to.
const lateLimit = 10 * time.Second

func (c Config) normalised() (Config, error) {
	if c.Users == 0 {
		c.Users = 1
	}
	if c.SpawnRate == 0 {
		c.SpawnRate = 1
	}
	if c.Interval <= 0 {
		c.Interval = 2 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.OnProgress == nil {
		c.OnProgress = func(Progress) {}
	}
	var faults []error
	if c.Users < 0 {
		faults = append(faults, fmt.Errorf("users %d: want 1 or more", c.Users))
	}
	if c.SpawnRate < 0 || math.IsNaN(c.SpawnRate) {
		faults = append(faults, fmt.Errorf("spawn rate %v: want more than 0", c.SpawnRate))
	}
	if c.RunTime < 0 || c.StopTimeout < 0 || c.RunTime > longest || c.StopTimeout > longest {
		faults = append(faults, fmt.Errorf("run time %v, stop timeout %v: want 0 to %v", c.RunTime, c.StopTimeout, longest))
	}
	if c.Class.New == nil {
		faults = append(faults, errors.New("no user class"))
	}
	if err := errors.Join(faults...); err != nil {
		return c, fmt.Errorf("%w: %w", ErrSetup, err)
	}
	return c, nil
}

// run is one run under way.
type run struct {
	config          Config
	fleet           *fleet.Fleet
	sampler         *host.Sampler
	exceptions      chan string
	raised          atomic.Int64 // exceptions, those that were not logged included
	interval, total stats.Report
	start, last     time.Duration
	stopping        bool
	final           bool // the collection under way began when all users were gone
	collecting      bool
	late            <-chan time.Time // when users that do not end are given up
	abandoned       bool
	err             error
}

// Run starts the users, lets them work for the run time or until ctx ends,
// ends them, and returns what they did. The result is complete also when ctx
// ended early, and beside an error; only one that wraps ErrSetup says that
// nothing was started.
func Run(ctx context.Context, config Config) (result.Result, error) {
	config, err := config.normalised()
	if err != nil {
		return result.Result{}, err
	}
	r := &run{config: config, exceptions: make(chan string, 16)}
	if r.sampler, err = host.New("", config.Loops); err != nil {
		return result.Result{}, fmt.Errorf("reading this process's CPU and memory use: %w", err)
	}
	r.fleet, err = fleet.New(fleet.Config{
		Loops: config.Loops, Classes: []user.Class{config.Class}, Logger: config.Logger, Exception: r.exception,
	})
	if err != nil {
		return result.Result{}, err
	}
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- r.fleet.Run(alive) }()
	r.begin()
	r.steer(ctx, ended)
	stop()
	err = errors.Join(r.err, <-ended)
	if !r.abandoned {
		err = errors.Join(err, r.fleet.WaitUsers(context.WithoutCancel(ctx)))
	}
	if cut := r.fleet.Cut(); cut > 0 {
		config.Logger.Warn("users were ended with something in flight; the target may have counted more than this run", "users", cut)
	}
	r.logExceptions()
	if raised := r.raised.Load(); raised > 0 {
		err = errors.Join(err, fmt.Errorf("%w %d times; the log has the first ones", ErrException, raised))
	}
	return r.result(), err
}

// exception takes errors of the class's code from any goroutine.
func (r *run) exception(message, _ string) {
	r.raised.Add(1)
	select {
	case r.exceptions <- message:
	default: // the first ones say it
	}
}

// logExceptions logs those that came in the last moments.
func (r *run) logExceptions() {
	for {
		select {
		case message := <-r.exceptions:
			r.logException(message)
		default:
			return
		}
	}
}

func (r *run) logException(message string) {
	r.config.Logger.Error("exception in the user class", "error", message)
}

func (r *run) begin() {
	r.start = r.fleet.Clock().Now()
	r.last = r.start
	r.fleet.Begin(fleet.Test{Host: r.config.Host, Read: r.config.Read})
	seconds := min(float64(r.config.Users)/r.config.SpawnRate, longest.Seconds())
	window := time.Duration(seconds * float64(time.Second))
	r.fleet.Apply(map[string]int{r.config.Class.Name: r.config.Users}, window, flightGrace)
}

// steer runs until every user is gone and every sample is here.
func (r *run) steer(ctx context.Context, ended chan error) {
	ticker := time.NewTicker(r.config.Interval)
	defer ticker.Stop()
	var over <-chan time.Time
	asked := ctx.Done()
	done := false
	for !done {
		select {
		case preparation := <-r.fleet.Prepared():
			if r.stopping {
				continue
			}
			if preparation.Err != nil {
				r.err = fmt.Errorf("%w: %s: %w", ErrSetup, r.config.Class.Name, preparation.Err)
				return
			}
			r.start = r.fleet.Clock().Now()
			r.last = r.start
			if r.config.RunTime > 0 {
				over = time.After(r.config.RunTime)
			}
			r.fleet.Open(preparation)
		case err := <-ended:
			r.err = fmt.Errorf("the event loops ended early: %w", err)
			r.abandoned = true
			ended <- nil
			return
		case <-r.late:
			r.err = fmt.Errorf("%d users of class %s did not end in time; the result lacks what they had in flight", r.fleet.Late(), r.config.Class.Name)
			r.abandoned = true
		case message := <-r.exceptions:
			r.logException(message)
		case <-over:
			over = nil
			r.stop()
		case <-asked:
			asked = nil
			r.stop()
		case <-ticker.C:
			r.collect()
		case part := <-r.fleet.Parts():
			done = r.received(part)
		case <-r.fleet.Changed():
		}
		if r.stopping && !r.final && !r.collecting && (r.abandoned || r.fleet.Empty()) {
			r.final = true
			r.collect()
		}
	}
}

func (r *run) stop() {
	if !r.stopping {
		r.stopping = true
		grace := max(r.config.StopTimeout, flightGrace)
		r.late = time.After(grace + lateLimit)
		r.fleet.Clear(grace, true)
	}
}

func (r *run) collect() {
	if !r.collecting {
		r.collecting = r.fleet.Collect()
	}
}

// received takes a loop's samples; true after the last ones of the run.
func (r *run) received(part fleet.Part) (done bool) {
	for _, block := range part.Blocks {
		r.interval.Add(block)
		r.total.Add(block)
	}
	part.Release()
	if !r.fleet.Received() {
		return false
	}
	r.collecting = false
	now := r.fleet.Clock().Now()
	_, users := r.fleet.Counts()
	r.config.OnProgress(Progress{
		Elapsed: now - r.start, Users: users, Wanted: r.config.Users,
		Interval: result.NewRow(r.interval.Total(), now-r.last), Total: result.NewRow(r.total.Total(), now-r.start),
		Stopping: r.stopping, Last: r.final,
	})
	r.interval.Reset()
	r.last = now
	return r.final
}

func (r *run) result() result.Result {
	usage, err := r.sampler.Sample(r.fleet.Clock().Now())
	if err != nil {
		r.config.Logger.Debug("reading CPU and memory use", "error", err)
	}
	return result.New(&r.total, result.About{
		Class: r.config.Class.Name, Users: map[string]int{r.config.Class.Name: r.config.Users},
		Duration: r.last - r.start, CPUSeconds: usage.CPUSeconds, MaxRSSBytes: usage.MaxRSSBytes,
	})
}
