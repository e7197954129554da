package wheel_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"upsurge/worker/engine/internal/wheel"
)

const ms = time.Millisecond

type expiry func(t *wheel.Timer)

func (f expiry) OnTimer(t *wheel.Timer) { f(t) }

// expire moves the wheel and calls what came due.
func expire(w *wheel.Wheel, now time.Duration) (fired int) {
	w.Advance(now)
	for t := w.Pop(); t != nil; t = w.Pop() {
		t.Fire()
		fired++
	}
	return fired
}

func TestTimerSize(t *testing.T) {
	if size := unsafe.Sizeof(wheel.Timer{}); size > 40 {
		t.Errorf("a Timer takes %d bytes, want at most 40", size)
	}
}

func TestExpiryMoment(t *testing.T) {
	const day = 24 * time.Hour
	cases := []struct {
		name      string
		start     time.Duration
		due       time.Duration
		last      time.Duration // still idle at this moment
		first     time.Duration // fired at this moment
		neverDies bool
	}{
		{name: "at once waits for the next tick", due: 0, last: ms - 1, first: ms},
		{name: "in the past", start: 500 * ms, due: 3 * ms, last: 501*ms - 1, first: 501 * ms},
		{name: "whole tick", due: 5 * ms, last: 5*ms - 1, first: 5 * ms},
		{name: "rounded up", due: 5*ms + 1, last: 6*ms - 1, first: 6 * ms},
		{name: "last of level 0", due: 63 * ms, last: 63*ms - 1, first: 63 * ms},
		{name: "first of level 1", due: 64 * ms, last: 64*ms - 1, first: 64 * ms},
		{name: "carry into level 1", start: 63 * ms, due: 64 * ms, last: 64*ms - 1, first: 64 * ms},
		{name: "carry through all levels", start: (1<<42 - 1) * ms, due: (1 << 42) * ms, last: (1<<42)*ms - 1, first: (1 << 42) * ms},
		{name: "days", start: 17 * ms, due: 9*day + 3*ms, last: 9*day + 3*ms - 1, first: 9*day + 3*ms},
		{name: "farthest", due: math.MaxInt64, last: math.MaxInt64 / 2, neverDies: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := wheel.New(c.start)
			var timer wheel.Timer
			w.Add(&timer, c.due, expiry(func(*wheel.Timer) {}))
			if expire(w, c.last) != 0 || !timer.Armed() {
				t.Fatalf("expired by %v, before it was due", c.last)
			}
			if c.neverDies {
				return
			}
			if expire(w, c.first) != 1 || timer.Armed() || w.Len() != 0 {
				t.Fatalf("not expired at %v", c.first)
			}
			if timer.Due() > c.first || timer.Due() < c.due {
				t.Errorf("Due is %v, want it in [%v, %v]", timer.Due(), c.due, c.first)
			}
		})
	}
}

func TestCallbackRearmsAndCancels(t *testing.T) {
	w := wheel.New(0)
	var first, second, third wheel.Timer
	var order []string
	w.Add(&first, 5*ms, expiry(func(self *wheel.Timer) {
		order = append(order, "first")
		w.Cancel(&second) // due in the same tick
		w.Add(&third, 0, expiry(func(*wheel.Timer) { order = append(order, "third") }))
		w.Add(self, 0, expiry(func(*wheel.Timer) { order = append(order, "first again") }))
	}))
	w.Add(&second, 5*ms, expiry(func(*wheel.Timer) { order = append(order, "second") }))
	expire(w, 5*ms)
	if want := []string{"first"}; !slices.Equal(order, want) {
		t.Fatalf("at 5ms: %q, want %q", order, want)
	}
	expire(w, 6*ms)
	if want := []string{"first", "third", "first again"}; !slices.Equal(order, want) {
		t.Fatalf("at 6ms: %q, want %q", order, want)
	}
}

func TestClear(t *testing.T) {
	w := wheel.New(0)
	timers := make([]wheel.Timer, 100)
	for i := range timers {
		w.Add(&timers[i], time.Duration(i*i)*ms, expiry(func(*wheel.Timer) { t.Error("fired after Clear") }))
	}
	w.Advance(50 * ms)
	w.Clear()
	for i := range timers {
		if timers[i].Armed() {
			t.Fatalf("timer %d is armed after Clear", i)
		}
	}
	if expire(w, time.Hour) != 0 || w.Len() != 0 {
		t.Error("timers are left")
	}
}

// model is the reference: timers as a plain map from their number to the tick.
type model struct {
	tick  int64
	armed map[int]int64
}

func (m *model) add(number int, due time.Duration) {
	m.armed[number] = max(int64((due+ms-1)/ms), m.tick+1)
}

// expire returns the ticks that come due, sorted.
func (m *model) expire(now time.Duration) (ticks []int64) {
	m.tick = max(m.tick, int64(now/ms))
	for number, tick := range m.armed {
		if tick <= m.tick {
			ticks = append(ticks, tick)
			delete(m.armed, number)
		}
	}
	slices.Sort(ticks)
	return ticks
}

func (m *model) next() (int64, bool) {
	first, found := int64(math.MaxInt64), false
	for _, tick := range m.armed {
		first, found = min(first, tick), true
	}
	return first, found
}

func TestAgainstSortedReference(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		now := time.Duration(random.Int64N(1 << random.IntN(50)))
		w, reference := wheel.New(now), &model{tick: int64(now / ms), armed: map[int]int64{}}
		timers := make([]wheel.Timer, 200)
		var fired []int64
		e := expiry(func(timer *wheel.Timer) { fired = append(fired, int64(timer.Due()/ms)) })
		for step := range 3000 {
			number := random.IntN(len(timers))
			switch random.IntN(4) {
			case 0, 1:
				due := now + time.Duration(random.Int64N(1<<(10+random.IntN(40))))
				w.Add(&timers[number], due, e)
				reference.add(number, due)
			case 2:
				w.Cancel(&timers[number])
				delete(reference.armed, number)
			case 3:
				now += time.Duration(random.Int64N(1 << (10 + random.IntN(35))))
				fired = fired[:0]
				expire(w, now)
				if want := reference.expire(now); !slices.Equal(fired, want) {
					t.Fatalf("seed %d step %d at %v: fired %v, want %v", seed, step, now, fired, want)
				}
			}
			checkAgainst(t, w, reference, timers)
		}
	}
}

func checkAgainst(t *testing.T, w *wheel.Wheel, reference *model, timers []wheel.Timer) {
	t.Helper()
	if w.Len() != len(reference.armed) {
		t.Fatalf("%d timers are armed, want %d", w.Len(), len(reference.armed))
	}
	for number := range timers {
		if _, want := reference.armed[number]; timers[number].Armed() != want {
			t.Fatalf("timer %d armed: %v, want %v", number, !want, want)
		}
	}
	next, found := w.Next()
	want, wantFound := reference.next()
	if found && !wantFound {
		return // the mark of a cancelled timer: one needless look at the wheel
	}
	if found != wantFound || (found && next > time.Duration(want)*ms) {
		t.Fatalf("Next is %v (%v), want at most %v (%v)", next, found, time.Duration(want)*ms, wantFound)
	}
}

func TestWheelAllocatesNothing(t *testing.T) {
	w := wheel.New(0)
	var timer wheel.Timer
	e := expiry(func(*wheel.Timer) {})
	var now time.Duration
	if n := testing.AllocsPerRun(1000, func() {
		w.Add(&timer, now+100*ms, e)
		w.Cancel(&timer)
		w.Add(&timer, now+70*ms, e)
		now += 80 * ms
		expire(w, now)
	}); n != 0 {
		t.Errorf("%v allocations per run, want 0", n)
	}
}

func BenchmarkAddCancel(b *testing.B) {
	w := wheel.New(0)
	timers := make([]wheel.Timer, 1024)
	e := expiry(func(*wheel.Timer) {})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		timer := &timers[i%len(timers)]
		w.Add(timer, time.Duration(i%100_000)*ms, e)
		w.Cancel(timer)
	}
}

// BenchmarkAdvance has 100,000 timers that come round every ten seconds, and
// reports what each expiry costs, its way down the levels included.
func BenchmarkAdvance(b *testing.B) {
	w := wheel.New(0)
	var now time.Duration
	var e expiry
	expired := 0
	e = func(t *wheel.Timer) {
		expired++
		w.Add(t, now+10*time.Second, e)
	}
	timers := make([]wheel.Timer, 100_000)
	for i := range timers {
		w.Add(&timers[i], time.Duration(i)*100*time.Microsecond, e)
	}
	b.ReportAllocs()
	for b.Loop() {
		now += ms
		expire(w, now)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(expired, 1)), "ns/expiry")
}
