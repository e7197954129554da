//go:build linux && !portable

package main

import (
	"io"
	"slices"
	"strings"
	"testing"

	"upsurge/targets"
)

func TestPartsOfDividedPorts(t *testing.T) {
	addresses := []string{":1", ":2", ":3", ":4", ":5"}
	for processes := 1; processes <= len(addresses); processes++ {
		family := targetFamily{addresses: addresses, sockets: make([]string, processes), divided: true}
		var all []string
		for i := range processes {
			part := family.part(i)
			if len(part) == 0 || len(part) > len(addresses)/processes+1 {
				t.Errorf("process %d of %d listens on %v", i, processes, part)
			}
			all = append(all, part...)
		}
		if !slices.Equal(all, addresses) {
			t.Errorf("%d processes listen on %v, want each address once: %v", processes, all, addresses)
		}
		family.divided = false
		if part := family.part(processes - 1); !slices.Equal(part, addresses) {
			t.Errorf("processes that share listen on %v, want all: %v", part, addresses)
		}
	}
}

func TestDividedPortsNeedOneForEachProcess(t *testing.T) {
	err := superviseTarget(t.Context(), io.Discard, targets.Binding{Listen: []string{"127.0.0.1:0"}}, 2, true, "")
	if exitCode(err) != exitUsage || !strings.Contains(err.Error(), "1 addresses for 2 processes") {
		t.Errorf("error %v, want a usage error with the numbers", err)
	}
}

func TestEachProcessServesItsOwnPorts(t *testing.T) {
	p := startTargetProgram(t, "target http --listen 127.0.0.1:0 --listen 127.0.0.2:0 --admin 0 --processes 2 --divide-ports")
	for i, address := range p.addresses {
		for range 10 * (i + 1) {
			request(t, address)
		}
	}
	var served []int64
	for _, share := range p.shares(t) {
		served = append(served, share.Requests)
	}
	slices.Sort(served)
	if want := []int64{10, 20}; !slices.Equal(served, want) {
		t.Errorf("the processes have served %v requests, want %v", served, want)
	}
}
