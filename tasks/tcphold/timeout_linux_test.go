package tcphold_test

import (
	"testing"
	"time"

	"upsurge/tasks/internal/stage"
)

func TestConnectTimeout(t *testing.T) {
	const timeout = 30 * time.Millisecond
	s := hold(t, stage.Blackhole(t), stage.Options{"tcp-connect-timeout": timeout.String()})
	s.Enter()
	for _, sample := range s.AwaitSamples(connectRow, 2) {
		wantFailure(t, sample, connectRow, "timeout")
		if sample.Latency < timeout {
			t.Errorf("a timeout after %v, want %v or more", sample.Latency, timeout)
		}
	}
}

func TestStopWhileConnecting(t *testing.T) {
	s := hold(t, stage.Blackhole(t), nil)
	holder := s.Enter()
	if !s.Stop(holder) {
		t.Fatal("a user that is connecting did not leave at once")
	}
	if counts := s.Loop.Counts(); counts.Connecting != 0 || s.Count() != 0 {
		t.Errorf("the loop has %+v and the books %+v, want nothing", counts, s.Samples(""))
	}
}

func TestSourceAddresses(t *testing.T) {
	server := stage.Listen(t, "")
	s := hold(t, server.Address, stage.Options{"tcp-source-ips": "127.0.0.2, 127.0.0.3"})
	seen := map[string]int{}
	for range 4 {
		s.Enter()
		seen[server.Accept().SourceIP()]++
	}
	if seen["127.0.0.2"] != 2 || seen["127.0.0.3"] != 2 {
		t.Errorf("connections from %v, want two from each source", seen)
	}
}
