package roster

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// moment is a reading of a pace.
type moment struct {
	now  time.Duration
	due  int
	wait time.Duration // after that; 0: nothing is left to wait for
}

func TestPace(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	cases := []struct {
		name    string
		from    time.Duration
		n       int
		window  time.Duration
		moments []moment
	}{
		{name: "nothing", n: 0, window: s, moments: []moment{{now: 0, due: 0}, {now: s, due: 0}}},
		{name: "one at once", n: 1, window: s, moments: []moment{{now: 0, due: 1}, {now: s, due: 0}}},
		{name: "no window", n: 1000, window: 0, moments: []moment{{now: 0, due: 1000}}},
		{name: "window below zero", n: 3, window: -s, moments: []moment{{now: 0, due: 3}}},
		{
			name: "evenly", from: 10 * s, n: 4, window: s,
			moments: []moment{
				{now: 10 * s, due: 1, wait: 250 * ms},
				{now: 10*s + 249*ms, due: 0, wait: ms},
				{now: 10*s + 250*ms, due: 1, wait: 250 * ms},
				{now: 10*s + 500*ms, due: 1, wait: 250 * ms},
				{now: 10*s + 750*ms, due: 1},
				{now: 20 * s, due: 0},
			},
		},
		{
			name: "stops", n: -4, window: s,
			moments: []moment{{now: 0, due: -1, wait: 250 * ms}, {now: 600 * ms, due: -2, wait: 150 * ms}, {now: s, due: -1}},
		},
		{
			name: "late calls catch up", n: 10, window: s,
			moments: []moment{{now: 550 * ms, due: 6, wait: 50 * ms}, {now: 5 * s, due: 4}},
		},
		{
			name: "many in one step of the timer", n: 10_000, window: s,
			moments: []moment{{now: 0, due: 1, wait: ms}, {now: ms, due: 10, wait: ms}, {now: 2 * ms, due: 10, wait: ms}},
		},
		{name: "not before the beginning", from: s, n: 2, window: s, moments: []moment{{now: 0, due: 0, wait: s}, {now: s, due: 1, wait: 500 * ms}}},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			var p pace
			p.plan(test.from, test.n, test.window)
			for i, want := range test.moments {
				if got := p.due(want.now, math.MaxInt); got != want.due {
					t.Fatalf("moment %d (%v): %d due, want %d", i, want.now, got, want.due)
				}
				if p.remaining == 0 {
					continue
				}
				if got := p.wait(want.now); got != want.wait {
					t.Fatalf("moment %d (%v): wait %v, want %v", i, want.now, got, want.wait)
				}
			}
		})
	}
}

// However it is called, a pace is never more than one ahead of the straight
// line nor one behind it, and gives exactly what was planned.
func TestPaceIsEven(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		n := random.IntN(5000)
		sign := 1 - 2*random.IntN(2)
		window := time.Duration(random.Int64N(int64(3 * time.Second)))
		from := time.Duration(random.Int64N(int64(time.Hour)))
		var p pace
		p.plan(from, n*sign, window)
		done, now := 0, from
		for now < from+window {
			due := p.due(now, math.MaxInt)
			if due*sign < 0 {
				t.Fatalf("%d due of %d", due, n*sign)
			}
			done += due * sign
			line := float64(n) * float64(now-from) / float64(window)
			if ahead := float64(done) - line; ahead > 1.001 || ahead < -0.001 {
				t.Fatalf("%d of %d done %v into %v: %f ahead of the line", done, n, now-from, window, ahead)
			}
			now += 1 + time.Duration(random.Int64N(int64(window)/20+1))
		}
		done += p.due(from+window, math.MaxInt) * sign
		if done != n || p.remaining != 0 {
			t.Fatalf("%d of %d done in the end, %d remaining", done, n, p.remaining)
		}
	}
}

// Who calls after each wait comes at most twice for each user (roundings can
// wake it a nanosecond early), and is done when the window is over.
func TestPaceWaits(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 799, 800, 801, 12_345, -1, -799} {
		const window = 800 * time.Millisecond
		var p pace
		p.plan(0, n, window)
		var now time.Duration
		sum, calls := p.due(now, math.MaxInt), 1
		for p.remaining != 0 {
			now += p.wait(now)
			sum += p.due(now, math.MaxInt)
			calls++
		}
		if sum != n || now > window+minimumWait {
			t.Errorf("%d of %d after %v", sum, n, now)
		}
		if most := 2 * max(n, -n); calls > most {
			t.Errorf("%d: %d calls, want %d at most", n, calls, most)
		}
	}
}

func TestPaceAgain(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	var p pace
	p.plan(0, 10, s)
	if got := p.due(500*ms, math.MaxInt); got != 6 {
		t.Fatalf("%d due, want 6", got)
	}
	p.again(500*ms, s) // one of the six failed
	if got := p.due(1499*ms, math.MaxInt); got != 0 {
		t.Errorf("%d due before the pause is over", got)
	}
	if got := p.wait(600 * ms); got != 900*ms {
		t.Errorf("wait %v, want the rest of the pause", got)
	}
	if got := p.due(1500*ms, math.MaxInt); got != 1 {
		t.Errorf("%d due after the pause, want the first", got)
	}
	if got := p.due(time.Minute, math.MaxInt); got != 4 || p.remaining != 0 {
		t.Errorf("%d due in the end, %d remaining, want 4 and 0", got, p.remaining)
	}
	// The last one of a plan that was done.
	p.again(2*time.Minute, s)
	if got := p.due(2*time.Minute+s, math.MaxInt); got != 1 || p.remaining != 0 {
		t.Errorf("%d due, %d remaining, want 1 and 0", got, p.remaining)
	}
}
