//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

func machine() *host {
	return &host{
		Cores: 2, MemoryBytes: 25_000_000_000, Available: 24_000_000_000, Descriptors: 20000,
		FirstPort: 32768, LastPort: 60999, SocketBytes: 4000,
	}
}

func TestPlan(t *testing.T) {
	cases := []struct {
		name    string
		options options
		change  func(*host)
		workers int
		ports   int
		fault   string
	}{
		{name: "few", options: options{n: 100, rate: 100}, workers: 2, ports: 1},
		{name: "one", options: options{n: 1, rate: 100}, workers: 1, ports: 1},
		{name: "as many as a process holds", options: options{n: 19600, rate: 20000}, workers: 2, ports: 3},
		{name: "a million", options: options{n: 1_000_000, rate: 20000}, workers: 52, ports: 156},
		{name: "given ports", options: options{n: 100_000, rate: 20000, targetPorts: 4}, workers: 6, ports: 6},
		{name: "memory", options: options{n: 3_000_000, rate: 20000}, fault: "the largest number that does is 23"},
		{name: "ports", options: options{n: 30_000, rate: 20000, targetPorts: 1}, change: func(h *host) { h.LastPort = 33767 }, fault: "2000: local ports: 1 source address × 1000 ports × 2"},
		{
			name: "descriptors", options: options{n: 1_000_000, rate: 20000},
			change: func(h *host) { h.Descriptors = 424 }, fault: "24576: descriptors: 24 a process × 1024",
		},
		{
			name: "no descriptors", options: options{n: 1, rate: 20000},
			change: func(h *host) { h.Descriptors = 400 }, fault: "raise ulimit -n",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := machine()
			if c.change != nil {
				c.change(h)
			}
			p, err := newPlan(&c.options, h)
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Fatalf("error %v, want one with %q", err, c.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.Workers != c.workers || p.Ports != c.ports {
				t.Errorf("%d workers and %d ports, want %d and %d", p.Workers, p.Ports, c.workers, c.ports)
			}
			if each := (c.options.n + p.Targets - 1) / p.Targets; each > h.Descriptors-spareDescriptors {
				t.Errorf("a target process gets %d connections", each)
			}
		})
	}
}

// The largest number that fits must itself be accepted, and one more must not.
func TestLargestNumberFits(t *testing.T) {
	h := machine()
	p, err := newPlan(&options{n: 1000, rate: 20000}, h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newPlan(&options{n: p.FitsN, rate: 20000}, h); err != nil {
		t.Errorf("%d: %v", p.FitsN, err)
	}
	if _, err := newPlan(&options{n: p.FitsN + 1, rate: 20000}, h); err == nil {
		t.Errorf("%d was accepted", p.FitsN+1)
	}
}

func TestJudgeOfTheRamp(t *testing.T) {
	steady := func(step int, upTo int) *curve {
		c := &curve{}
		for i, count := 0, 0; ; i++ {
			c.add(time.Duration(i)*100*time.Millisecond, count)
			if count >= upTo {
				return c
			}
			if i >= 5 { // the master's answer takes half a second
				count = min(count+step, upTo)
			}
		}
	}
	if f := steady(100, 5000).judge(1000); f.Seconds < 4.99 || f.Seconds > 5.01 || len(f.Rates) != 5 || f.WorstPercent < -0.1 || f.WorstPercent > 0.1 {
		t.Errorf("a steady ramp: %+v", f)
	}
	if f := steady(50, 5000).judge(1000); f.WorstPercent > -49 || f.WorstPercent < -51 {
		t.Errorf("half the rate: %+v", f)
	}
	late := &curve{}
	for i, count := range []int{0, 1000, 1100, 3000} {
		late.add(time.Duration(i)*time.Second, count)
	}
	if f := late.judge(1000); f.WorstSecond != 1 && f.WorstSecond != 2 {
		t.Errorf("a slow second and a fast one: %+v", f)
	}
	if f := (&curve{}).judge(1000); f.Seconds != 0 || len(f.Rates) != 0 {
		t.Errorf("nothing: %+v", f)
	}
}
