//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	// settleTime lets the processes come to rest before they are measured.
	settleTime = 5 * time.Second
	// sampleEvery is how often the sockets are counted during the ramp.
	sampleEvery = 100 * time.Millisecond
	// slack is how much longer than planned each part may take.
	slack = 90 * time.Second
	// lingerTimeout covers TIME_WAIT, which takes a minute.
	lingerTimeout = 75 * time.Second
)

// bench is one run.
type bench struct {
	*options
	plan   *plan
	host   *host
	crew   *crew
	began  time.Time
	curve  curve
	result result
	base   sockets
}

// snapshot is what all parties use at one moment.
type snapshot struct {
	Target  usage   `json:"target"`
	Workers usage   `json:"workers"`
	Master  usage   `json:"master"`
	Memory  memory  `json:"memory"`
	Sockets sockets `json:"sockets"`
}

// measure runs everything and returns what was measured, also beside an error
// once the ramp has begun.
func (b *bench) measure(ctx context.Context) (result *result, err error) {
	folder, err := os.MkdirTemp("", "upsurge-connections-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err == nil && !b.result.Failed() {
			err = os.RemoveAll(folder)
			return
		}
		fmt.Fprintln(os.Stdout, "the logs are in", folder)
	}()
	b.result = newResult(b)
	b.crew = newCrew(folder)
	if b.result.Empty, err = readMemory(); err != nil {
		return nil, err
	}
	err = b.crew.launch(ctx, b.options, b.plan)
	if err == nil {
		result, err = &b.result, b.test(ctx)
	}
	err = errors.Join(err, b.crew.end())
	if err == nil {
		err = b.linger(ctx)
	}
	return result, err
}

// test is one test of the master's, from its start to its stop.
func (b *bench) test(ctx context.Context) error {
	if err := pause(ctx, settleTime); err != nil {
		return err
	}
	var err error
	if b.result.Before, err = b.snapshot(); err != nil {
		return err
	}
	b.base = b.result.Before.Sockets
	b.say("ramp")
	for _, part := range []func(context.Context) error{b.ramp, b.receive, b.look, b.stop, b.books} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) say(text string) {
	fmt.Printf("%7.1f s  %s\n", time.Since(b.began).Seconds(), text)
}

func (b *bench) snapshot() (s snapshot, err error) {
	target, err := children(b.crew.target.pid())
	if err != nil {
		return s, err
	}
	if len(target) == 0 { // one process serves
		target = []int{b.crew.target.pid()}
	}
	workers, err := children(b.crew.workers.pid())
	if err != nil {
		return s, err
	}
	if len(workers) == 0 {
		workers = []int{b.crew.workers.pid()}
	}
	if len(target) != b.plan.Targets || len(workers) != b.plan.Workers {
		return s, fmt.Errorf("%d of %d target processes and %d of %d worker processes are there; see the logs", len(target), b.plan.Targets, len(workers), b.plan.Workers)
	}
	for _, group := range []struct {
		into *usage
		pids []int
	}{{&s.Target, target}, {&s.Workers, workers}, {&s.Master, []int{b.crew.master.pid()}}} {
		if *group.into, err = readUsage(group.pids); err != nil {
			return s, err
		}
	}
	if s.Memory, err = readMemory(); err != nil {
		return s, err
	}
	s.Sockets, err = readSockets()
	return s, err
}

// ramp starts the test and counts sockets until all connections are there.
// Both ends are on this host, so a connection is two.
func (b *bench) ramp(ctx context.Context) error {
	masterBefore := b.result.Before.Master.CPUSeconds
	started := time.Now()
	if err := b.crew.swarm(ctx, b.plan); err != nil {
		return err
	}
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	deadline := started.Add(b.plan.ramp()*3 + slack)
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		now, err := readSockets()
		if err != nil {
			return err
		}
		count := (now.Open - b.base.Open) / 2
		b.curve.add(time.Since(started), count)
		if count >= b.plan.N {
			break
		}
		if time.Now().After(deadline) {
			b.say(fmt.Sprintf("only %d connections were established", count))
			break
		}
	}
	b.result.Ramp = b.curve.judge(b.plan.Rate)
	master, err := readUsage([]int{b.crew.master.pid()})
	if err != nil {
		return err
	}
	b.result.Ramp.MasterCPUPercent = 100 * (master.CPUSeconds - masterBefore) / time.Since(started).Seconds()
	b.result.Ramp.began = started
	b.say(fmt.Sprintf("%d connections after %.1f s", b.curve.last(), b.result.Ramp.Seconds))
	return nil
}

// receive waits until the target has sent a message over each connection and
// the master knows of as many that were checked.
func (b *bench) receive(ctx context.Context) error {
	if wait := time.Until(b.result.Ramp.began.Add(b.plan.interval())); wait > 0 {
		b.say(fmt.Sprintf("holding; the first push comes in %.0f s", wait.Seconds()))
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
	deadline := time.Now().Add(time.Duration(b.result.Ramp.Seconds*float64(time.Second)) + slack)
	for {
		target, err := b.crew.targetStats(ctx)
		if err != nil {
			return err
		}
		master, err := b.crew.masterStats(ctx)
		if err != nil {
			return err
		}
		received, _ := master.row("TCP", "recv")
		if target.MessagesSent >= int64(b.plan.N) && received >= target.MessagesSent {
			break
		}
		if time.Now().After(deadline) {
			b.say(fmt.Sprintf("only %d messages were sent and %d received", target.MessagesSent, received))
			break
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
	return nil
}

// look takes all figures at N.
func (b *bench) look(ctx context.Context) (err error) {
	r := &b.result
	if r.AtN, err = b.snapshot(); err != nil {
		return err
	}
	target, err := b.crew.targetStats(ctx)
	if err != nil {
		return err
	}
	master, err := b.crew.masterStats(ctx)
	if err != nil {
		return err
	}
	r.OnTarget = target.Open
	r.OnWorkers = int64(r.AtN.Workers.Descriptors - r.Before.Workers.Descriptors)
	r.OnMaster = int64(master.UserCount)
	r.Sent = target.MessagesSent
	r.Received, r.ReceiveFailures = master.row("TCP", "recv")
	_, r.Failures = master.row("", "Aggregated")
	// Nobody can have two messages before two intervals are over, so as many
	// messages as connections mean one each.
	r.OneEach = r.Sent == int64(b.plan.N) && time.Since(r.Ramp.began) < 2*b.plan.interval()
	b.say(fmt.Sprintf("%d established, %d messages received and checked", r.OnTarget, r.Received-r.ReceiveFailures))
	return nil
}

// stop stops the test and waits until the sockets are gone.
func (b *bench) stop(ctx context.Context) error {
	started := time.Now()
	if err := b.crew.stopTest(ctx); err != nil {
		return err
	}
	b.result.StopMasterSeconds = time.Since(started).Seconds()
	var now sockets
	for {
		var err error
		if now, err = readSockets(); err != nil {
			return err
		}
		// The few that are more or less are the benchmark's own requests.
		if now.Open <= b.base.Open+4 || time.Since(started) > slack {
			break
		}
		if err := pause(ctx, sampleEvery); err != nil {
			return err
		}
	}
	b.result.StopSeconds = time.Since(started).Seconds()
	b.result.LeftTimeWait = now.TimeWait - b.base.TimeWait
	b.say(fmt.Sprintf("stopped after %.1f s", b.result.StopSeconds))
	return nil
}

// books compares, after the stop, what each side has counted.
func (b *bench) books(ctx context.Context) error {
	r := &b.result
	deadline := time.Now().Add(slack)
	for {
		own, err := b.crew.ownSums(b.plan.Workers)
		if err == nil {
			r.Books.WorkerConnects, r.Books.WorkerReceives = own.connects, own.receives
			r.Failures = max(r.Failures, own.connectFailures+own.receiveFailures)
			break
		}
		if time.Now().After(deadline) {
			return err
		}
		if err := pause(ctx, sampleEvery); err != nil {
			return err
		}
	}
	if err := pause(ctx, 5*time.Second); err != nil { // the master keeps its answers for a while
		return err
	}
	master, err := b.crew.masterStats(ctx)
	if err != nil {
		return err
	}
	target, err := b.crew.targetStats(ctx)
	if err != nil {
		return err
	}
	r.Books.MasterConnects, _ = master.row("TCP", "connect")
	r.Books.MasterReceives, _ = master.row("TCP", "recv")
	r.Books.TargetConnects, r.Books.TargetSent = target.Accepted, target.MessagesSent
	if r.After, err = b.snapshot(); err != nil {
		return err
	}
	r.LeftOpen = target.Open + int64(max(r.After.Workers.Descriptors-r.Before.Workers.Descriptors, 0))
	return nil
}

// linger waits until also TIME_WAIT is over.
func (b *bench) linger(ctx context.Context) error {
	started := time.Now()
	for {
		now, err := readSockets()
		if err != nil {
			return err
		}
		b.result.LeftAtLast = max(now.TimeWait-b.base.TimeWait, 0)
		if b.result.LeftAtLast == 0 || time.Since(started) > lingerTimeout {
			return nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}
