package netfault

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"upsurge/test/scene"
)

// A master that dies under a test and is back after five seconds knows nothing
// of it. The load goes on until then; what was counted for the dead one is said
// to be lost, to the last request, and the new one's books begin at zero.
func TestMasterKilledAndBack(t *testing.T) {
	t.Run("same clock", func(t *testing.T) {
		eachSite(t, func(t *testing.T, s *site) { s.masterKilledAndBack(nil) })
	})
	t.Run("clock an hour behind", func(t *testing.T) {
		libraries, _ := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1") // the one error is a bad pattern
		if len(libraries) == 0 {
			t.Skip("SKIPPED: libfaketime (Debian's package faketime) is not here")
		}
		eachSite(t, func(t *testing.T, s *site) {
			s.masterKilledAndBack([]string{"env", "LD_PRELOAD=" + libraries[0], "FAKETIME=-1h", "DONT_FAKE_MONOTONIC=1"})
		})
	})
}

func (s *site) masterKilledAndBack(clock []string) {
	s.t.Helper()
	s.join(s.address("master", 2))
	s.swarm()
	time.Sleep(4 * time.Second) // some of it is reported by now

	s.master.Kill()
	rates := s.ratesFor(5 * time.Second)
	s.master.RestartAs(s.address("master", 2), append(s.on("master"), clock...))
	back := s.rejoined(time.Now(), 2)
	s.t.Logf("back %v after the master; requests a second meanwhile: %v", back.Round(100*time.Millisecond), rates)
	if back > rejoinGoal {
		s.t.Errorf("back only after %v, the goal is %v", back, rejoinGoal)
	}
	s.awaitReady(2)
	first := logged(s.hit, endedLine) + logged(s.steady, endedLine)
	lost := logged(s.hit, lostLine) + logged(s.steady, lostLine)
	if first == 0 || lost == 0 || lost >= first {
		s.t.Errorf("of %d requests for the dead master, %d are said to be lost: want some, and not all", first, lost)
	}
	s.swarm()
	s.obeys()
	// What the dead master had shown died with it.
	s.books(s.both(), func() int64 { return s.final() + first - lost })
}

// A master that stands still for 25 seconds goes on as if nothing had been:
// nothing is lost, nothing is counted twice.
func TestMasterFrozen(t *testing.T) {
	for _, length := range []time.Duration{7 * time.Second, 25 * time.Second} {
		t.Run(length.String(), func(t *testing.T) {
			eachSite(t, func(t *testing.T, s *site) {
				s.join(s.address("master", 2))
				s.swarm()
				time.Sleep(3 * time.Second)
				s.master.Freeze()
				rates := s.ratesFor(length)
				thaw := time.Now()
				s.master.Thaw()
				// The master has dropped both connections; what it says before
				// the workers are back is lost.
				s.waitLines(s.hit, "connected to the master", 2)
				s.waitLines(s.steady, "connected to the master", 2)
				back := s.rejoined(thaw, 2)
				t.Logf("back %v after the thaw; requests a second meanwhile: %v", back.Round(100*time.Millisecond), rates)
				if back > rejoinGoal {
					t.Errorf("back only after %v, the goal is %v", back, rejoinGoal)
				}
				s.obeys()
				s.books(s.both(), s.final)
			})
		})
	}
}

// The master moves: its name leads to another address, the old one is dead.
func TestMasterMoves(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		name := strings.ReplaceAll(s.namespace("master"), "lab", "moving")
		s.name(name, s.address("master", 2))
		s.hit = s.worker("worker", name)
		s.awaitReady(1)
		s.swarm()
		time.Sleep(4 * time.Second)

		// The worker hears nothing of the end: no FIN, no RST.
		s.blackhole("worker", "master")
		s.master.Kill()
		s.ip("-n", s.namespace("master"), "address", "delete", s.address("master", 2)+"/24", "dev", "eth0")
		s.heal("worker", "master")
		s.ip("-n", s.namespace("master"), "address", "replace", s.address("master", 3)+"/24", "dev", "eth0")
		s.ip("-n", s.namespace("master"), "route", "replace", "default", "via", s.address("master", 1))
		s.master.RestartAs(s.address("master", 3), s.on("master"))
		s.name(name, s.address("master", 3))
		moved := time.Now()
		back := s.rejoined(moved, 1)
		t.Logf("at the new address %v after the name led there", back.Round(100*time.Millisecond))
		s.awaitReady(1)
		first, lost := logged(s.hit, endedLine), logged(s.hit, lostLine)
		s.swarm()
		s.master.Stop()
		s.awaitReady(1)
		s.books([]*scene.Process{s.hit}, func() int64 { return s.final() + first - lost })
	})
}
