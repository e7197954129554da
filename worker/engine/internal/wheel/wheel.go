// Package wheel is a hierarchical timer wheel. It reads no clock: moments are
// passed in as the time since an origin that the caller keeps to. A wheel and
// its timers belong to one goroutine.
package wheel

import (
	"math"
	"math/bits"
	"time"
)

// Tick is the resolution of a wheel.
const Tick = time.Millisecond

const (
	groupBits  = 6
	slotCount  = 1 << groupBits
	slotMask   = slotCount - 1
	levelCount = 8 // 48 bits of ticks: more than a time.Duration holds
	lastTick   = math.MaxInt64 / int64(Tick)
)

// Expirer is told when a timer is due.
type Expirer interface {
	// OnTimer is called on the wheel's goroutine. t is idle by then: it may be
	// armed again, and any other timer may be armed or cancelled.
	OnTimer(t *Timer)
}

// Timer is a node of the wheel that its owner embeds. The zero value is idle.
// An armed timer must not be copied or moved.
type Timer struct {
	next, prev *Timer
	expirer    Expirer
	tick       int64
}

// Armed reports whether the timer waits to expire.
func (t *Timer) Armed() bool { return t.next != nil }

// Due is the moment at which the timer expires or expired: the moment it was
// armed for, rounded up to a whole tick.
func (t *Timer) Due() time.Duration { return time.Duration(t.tick) * Tick }

// Fire tells the timer's Expirer.
func (t *Timer) Fire() { t.expirer.OnTimer(t) }

func (t *Timer) unlink() {
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
}

// A list is circular; its head is a timer that never expires.
type list struct{ head Timer }

func (l *list) reset() { l.head.next, l.head.prev = &l.head, &l.head }

func (l *list) empty() bool { return l.head.next == &l.head }

func (l *list) push(t *Timer) {
	last := l.head.prev
	t.prev, t.next = last, &l.head
	last.next, l.head.prev = t, t
}

// Wheel holds armed timers. Adding and cancelling take constant time, and each
// timer is moved at most once per level on its way to expiry.
//
// A timer lies on the level of the highest six-bit group in which its tick
// differs from the wheel's, in the slot that this group of its tick names. So
// every occupied slot lies ahead of the wheel's own position on that level, and
// everything on a level is due before everything on the levels above it.
type Wheel struct {
	tick   int64 // every timer due by this tick has been moved to due
	armed  int
	due    list
	levels [levelCount]level
}

// A level's bit may outlive the slot's last timer, since Cancel doesn't look
// which slot it empties; whoever reads the bit clears it then.
type level struct {
	occupied uint64
	slots    [slotCount]list
}

// New returns a wheel that stands at moment now.
func New(now time.Duration) *Wheel {
	w := &Wheel{tick: int64(now / Tick)}
	w.due.reset()
	for i := range w.levels {
		for j := range w.levels[i].slots {
			w.levels[i].slots[j].reset()
		}
	}
	return w
}

// Len is the number of armed timers.
func (w *Wheel) Len() int { return w.armed }

// Add arms t to expire at moment due, or moves it there when it is armed
// already. It expires at the first tick that isn't before due, and never in the
// tick that the wheel stands at, so that a callback which arms its timer for
// "at once" doesn't keep Pop busy for ever.
func (w *Wheel) Add(t *Timer, due time.Duration, e Expirer) {
	w.Cancel(t)
	tick := lastTick
	if due <= math.MaxInt64-Tick {
		tick = int64((due + Tick - 1) / Tick)
	}
	t.tick = max(tick, w.tick+1)
	t.expirer = e
	w.armed++
	w.place(t)
}

// Cancel makes t idle. It may be idle already.
func (w *Wheel) Cancel(t *Timer) {
	if !t.Armed() {
		return
	}
	t.unlink()
	t.expirer = nil
	w.armed--
}

// Advance moves the wheel to moment now; Pop then yields what has come due. An
// earlier moment than the wheel stands at changes nothing.
func (w *Wheel) Advance(now time.Duration) {
	target := int64(now / Tick)
	for w.tick < target {
		i, start, found := w.nextSlot()
		if !found || start > target {
			w.tick = target
			return
		}
		w.tick = start
		w.empty(i, start)
	}
}

// Pop takes out the next timer that has come due, in the order of their ticks,
// or nil.
func (w *Wheel) Pop() *Timer {
	t := w.due.head.next
	if t == &w.due.head {
		return nil
	}
	t.unlink()
	w.armed--
	return t
}

// Next is a moment by which Advance should be called: no timer expires before
// it. It is false when no timer is armed.
func (w *Wheel) Next() (time.Duration, bool) {
	if !w.due.empty() {
		return time.Duration(w.tick) * Tick, true
	}
	_, start, found := w.nextSlot()
	return time.Duration(start) * Tick, found
}

// Clear makes every timer idle without telling anyone.
func (w *Wheel) Clear() {
	drain := func(l *list) {
		for !l.empty() {
			w.Cancel(l.head.next)
		}
	}
	drain(&w.due)
	for i := range w.levels {
		for j := range w.levels[i].slots {
			drain(&w.levels[i].slots[j])
		}
		w.levels[i].occupied = 0
	}
}

func (w *Wheel) place(t *Timer) {
	difference := uint64(t.tick ^ w.tick)
	if difference == 0 {
		w.due.push(t)
		return
	}
	i := (bits.Len64(difference) - 1) / groupBits
	slot := t.tick >> (i * groupBits) & slotMask
	w.levels[i].slots[slot].push(t)
	w.levels[i].occupied |= 1 << slot
}

// nextSlot finds the occupied slot that comes first: its level, and the tick at
// which it begins.
func (w *Wheel) nextSlot() (index int, start int64, found bool) {
	for i := range w.levels {
		for w.levels[i].occupied != 0 {
			slot := bits.TrailingZeros64(w.levels[i].occupied)
			if w.levels[i].slots[slot].empty() {
				w.levels[i].occupied &^= 1 << slot
				continue
			}
			shift := i * groupBits
			above := w.tick >> (shift + groupBits) << (shift + groupBits)
			return i, above | int64(slot)<<shift, true
		}
	}
	return 0, 0, false
}

// empty moves the timers of the slot that begins at the wheel's tick to where
// they belong now: to lower levels, or among those that are due.
func (w *Wheel) empty(i int, start int64) {
	slot := start >> (i * groupBits) & slotMask
	w.levels[i].occupied &^= 1 << slot
	l := &w.levels[i].slots[slot]
	for !l.empty() {
		t := l.head.next
		t.unlink()
		w.place(t)
	}
}
