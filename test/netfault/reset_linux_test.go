package netfault

import (
	"testing"
	"time"
)

// The connection between worker and master is reset: at the master's end, so
// that both hear of it, and at the worker's end alone, with the master's end
// left open by something between the two.
func TestReset(t *testing.T) {
	for _, c := range []struct {
		name string
		cut  func(s *site)
	}{
		{"both ends", func(s *site) { s.reset("master", "worker") }},
		{"worker's end alone", func(s *site) {
			s.blackhole("worker", "master")
			s.reset("worker", "master")
			s.heal("worker", "master")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachSite(t, func(t *testing.T, s *site) {
				s.join(s.address("master", 2))
				s.swarm()
				time.Sleep(3 * time.Second)
				for cuts := range 3 {
					c.cut(s)
					cut := time.Now()
					s.waitLines(s.hit, "connected to the master", cuts+2)
					back := s.rejoined(cut, 2)
					t.Logf("back %v after the reset", back.Round(100*time.Millisecond))
					if back > heldGoal {
						t.Errorf("back only after %v, the goal is %v", back, heldGoal)
					}
					time.Sleep(2 * time.Second)
				}
				s.obeys()
				s.books(s.both(), s.final)
			})
		})
	}
}

// heldGoal is for connections that the master may still hold: it drops them
// after six seconds without a PING.
const heldGoal = 6*time.Second + rejoinGoal
