package netfault

import (
	"fmt"
	"testing"
	"time"
)

// rejoinGoal is how soon the worker is to be back once the network is.
const rejoinGoal = 5 * time.Second

// Packets between worker and master vanish, for shorter and for longer than
// the master keeps a worker that it misses. The load goes on meanwhile, the
// worker is back soon after, hears the master, and nothing is lost.
func TestBlackhole(t *testing.T) {
	t.Parallel()
	for _, length := range []time.Duration{10 * time.Second, 40 * time.Second, 80 * time.Second} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			eachSite(t, func(t *testing.T, s *site) {
				s.join(s.address("master", 2))
				s.swarm()
				time.Sleep(3 * time.Second)

				s.blackhole("worker", "master")
				rates := s.ratesFor(length)
				s.heal("worker", "master")
				back := s.rejoined(time.Now(), 2)
				t.Logf("back %v after the network; requests a second meanwhile: %v", back.Round(100*time.Millisecond), rates)
				if back > rejoinGoal {
					t.Errorf("back only after %v, the goal is %v", back, rejoinGoal)
				}
				s.obeys()
				s.books(s.both(), s.final)
			})
		})
	}
}
