package server

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// fired advances the wheel and returns the ticks of the timers that fired, as
// they fired.
func fired(w *wheel, to int64, timers map[*Conn]*timer) []int64 {
	var ticks []int64
	w.advance(to, func(c *Conn) { ticks = append(ticks, timers[c].tick) })
	return ticks
}

func TestWheelFiresEachTimerAtItsTick(t *testing.T) {
	cases := []struct {
		name  string
		start int64
		tick  int64
	}{
		{name: "next tick", start: 0, tick: 1},
		{name: "last of level 0", start: 0, tick: 255},
		{name: "first of level 1", start: 0, tick: 256},
		{name: "across a block", start: 250, tick: 260},
		{name: "last of level 1 from an odd start", start: 255, tick: 255 + 65535},
		{name: "first of level 2", start: 7, tick: 7 + 65536},
		{name: "level 3", start: 123456789, tick: 123456789 + 16777216 + 5},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWheel()
			w.advance(tc.start, func(*Conn) { t.Fatal("fired without a timer") })
			c := &Conn{}
			c.timer.conn = c
			w.set(&c.timer, tc.tick)
			for {
				next, ok := w.nextTick()
				if !ok || next > tc.tick {
					t.Fatalf("nextTick = %d, %v: would sleep past %d", next, ok, tc.tick)
				}
				if next == tc.tick {
					break
				}
				w.advance(next, func(*Conn) { t.Fatalf("fired at %d, wanted %d", w.now, tc.tick) })
			}
			count := 0
			w.advance(tc.tick, func(*Conn) { count++ })
			if count != 1 {
				t.Fatalf("fired %d times at its tick, want once", count)
			}
			if _, ok := w.nextTick(); ok || w.count != 0 {
				t.Errorf("the wheel isn't empty: count %d", w.count)
			}
		})
	}
}

// The wheel must do what a sorted list would.
func TestWheelAgreesWithSortedList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	w := newWheel()
	timers := make(map[*Conn]*timer)
	var all []*Conn
	for range 300 {
		c := &Conn{}
		c.timer.conn = c
		timers[c] = &c.timer
		all = append(all, c)
	}
	for round := range 400 {
		for range 20 {
			c := all[random.IntN(len(all))]
			switch random.IntN(4) {
			case 0:
				w.stop(&c.timer)
			default:
				w.set(&c.timer, w.now+random.Int64N(1<<random.IntN(20)+1))
			}
		}
		to := w.now + random.Int64N(1<<random.IntN(17)+1)
		var want []int64
		for _, c := range all {
			if c.timer.isSet() && c.timer.tick <= to {
				want = append(want, c.timer.tick)
			}
		}
		slices.Sort(want)
		if got := fired(w, to, timers); !slices.Equal(got, want) {
			t.Fatalf("round %d: fired %v, want %v", round, got, want)
		}
		if w.now != to {
			t.Fatalf("round %d: now %d, want %d", round, w.now, to)
		}
	}
}

func TestWheelCallbacksMayChangeTimers(t *testing.T) {
	w := newWheel()
	periodic, victim, killer := &Conn{}, &Conn{}, &Conn{}
	for _, c := range []*Conn{killer, victim, periodic} {
		c.timer.conn = c
		w.set(&c.timer, 10)
	}
	counts := make(map[*Conn]int)
	w.advance(100, func(c *Conn) {
		counts[c]++
		switch c {
		case killer:
			w.stop(&victim.timer)
		case periodic:
			w.set(&c.timer, c.timer.tick+10)
		}
	})
	if counts[killer] != 1 || counts[victim] != 0 || counts[periodic] != 10 {
		t.Errorf("killer %d, victim %d, periodic %d; want 1, 0, 10", counts[killer], counts[victim], counts[periodic])
	}
}

func TestWheelPastTickFiresNext(t *testing.T) {
	w := newWheel()
	w.advance(1000, func(*Conn) {})
	c := &Conn{}
	c.timer.conn = c
	w.set(&c.timer, 3)
	count := 0
	w.advance(1001, func(*Conn) { count++ })
	if count != 1 {
		t.Errorf("fired %d times, want once", count)
	}
}

func TestWheelAllocatesNothing(t *testing.T) {
	w := newWheel()
	c := &Conn{}
	c.timer.conn = c
	allocations := testing.AllocsPerRun(1000, func() {
		w.set(&c.timer, w.now+300)
		w.stop(&c.timer)
		w.set(&c.timer, w.now+2)
		w.advance(w.now+3, func(*Conn) {})
	})
	if allocations != 0 {
		t.Errorf("%v allocations, want none", allocations)
	}
}

func BenchmarkWheelSet(b *testing.B) {
	w := newWheel()
	conns := make([]Conn, 4096)
	for i := range conns {
		conns[i].timer.conn = &conns[i]
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.set(&conns[i%len(conns)].timer, w.now+int64(1+i%100000))
	}
}
