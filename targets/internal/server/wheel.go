package server

import "math/bits"

const (
	wheelBits   = 8
	wheelSlots  = 1 << wheelBits
	wheelMask   = wheelSlots - 1
	wheelLevels = 4
)

// timer is one entry of a wheel, embedded in the connection it belongs to.
// next and prev are nil while it isn't set.
type timer struct {
	next, prev *timer
	tick       int64
	conn       *Conn
}

func (t *timer) isSet() bool { return t.next != nil }

func (t *timer) unlink() {
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
}

// wheel keeps any number of timers at constant cost: four levels of 256
// slots, each level 256 times as coarse as the one before. A tick is a
// millisecond, but the wheel reads no clock: time comes in as an argument. It
// must not be copied (its lists are circular). Loop goroutine only.
//
//	level 0  |now+1 ... now+255|         one slot for each tick
//	level 1  |... 65,535|                moved to level 0 every 256 ticks
//	level 2  |... 16.7 million|          moved to level 1 every 65,536 ticks
//	level 3  |... 4.2 billion|           what is later goes round again
type wheel struct {
	now    int64 // every timer up to this tick has fired
	count  int
	levels [wheelLevels][wheelSlots]timer // list heads
	// occupied marks the slots of level 0 that may hold timers. A bit is
	// cleared when its slot fires, not when its last timer is stopped, so
	// that stopping stays cheap; the price is a needless wake-up.
	occupied [wheelSlots / 64]uint64
	firing   timer // head of the slot being fired
}

func newWheel() *wheel {
	w := &wheel{}
	for level := range w.levels {
		for slot := range w.levels[level] {
			head := &w.levels[level][slot]
			head.next, head.prev = head, head
		}
	}
	w.firing.next, w.firing.prev = &w.firing, &w.firing
	return w
}

// set (re)sets a timer. A tick that is past becomes the next one.
func (w *wheel) set(t *timer, tick int64) {
	w.stop(t)
	t.tick = max(tick, w.now+1)
	w.insert(t)
	w.count++
}

// stop does nothing to a timer that isn't set.
func (w *wheel) stop(t *timer) {
	if t.isSet() {
		t.unlink()
		w.count--
	}
}

func (w *wheel) insert(t *timer) {
	distance := t.tick - w.now
	level := 0
	for level < wheelLevels-1 && distance >= 1<<(wheelBits*(level+1)) {
		level++
	}
	slot := (t.tick >> (wheelBits * level)) & wheelMask
	if level == 0 {
		w.occupied[slot/64] |= 1 << (slot % 64)
	}
	head := &w.levels[level][slot]
	t.prev, t.next = head.prev, head
	head.prev.next, head.prev = t, t
}

// nextTick returns the tick up to which the loop may sleep; false means that
// no timer is set.
func (w *wheel) nextTick() (int64, bool) {
	if w.count == 0 {
		return 0, false
	}
	base := w.now &^ wheelMask
	from := int(w.now&wheelMask) + 1
	for word := from / 64; word < len(w.occupied); word++ {
		marks := w.occupied[word]
		if word == from/64 {
			marks &= ^uint64(0) << (from % 64)
		}
		if marks != 0 {
			return base + int64(word*64+bits.TrailingZeros64(marks)), true
		}
	}
	return base + wheelSlots, true
}

// advance fires every timer due up to and including tick, in order of ticks.
// fire may set and stop timers, its own included.
func (w *wheel) advance(tick int64, fire func(*Conn)) {
	for w.now < tick {
		next, ok := w.nextTick()
		if !ok {
			w.now = tick
			clear(w.occupied[:])
			return
		}
		if next > tick {
			w.now = tick // nothing to fire or to move on the way
			return
		}
		w.now = next
		if w.now&wheelMask == 0 {
			w.cascade()
		}
		w.fireSlot(fire)
	}
}

// cascade moves the timers whose time is near into finer levels.
func (w *wheel) cascade() {
	for level := 1; level < wheelLevels; level++ {
		slot := (w.now >> (wheelBits * level)) & wheelMask
		w.detach(&w.levels[level][slot])
		for w.firing.next != &w.firing {
			t := w.firing.next
			t.unlink()
			w.insert(t)
		}
		if slot != 0 {
			return
		}
	}
}

func (w *wheel) fireSlot(fire func(*Conn)) {
	slot := w.now & wheelMask
	if w.occupied[slot/64]&(1<<(slot%64)) == 0 {
		return
	}
	w.occupied[slot/64] &^= 1 << (slot % 64)
	w.detach(&w.levels[0][slot])
	for w.firing.next != &w.firing {
		t := w.firing.next
		w.stop(t)
		fire(t.conn)
	}
}

// detach moves a slot's timers to the firing list. Timers set from a callback
// land in slots again, never in the list being walked; timers stopped from a
// callback leave the list at once.
func (w *wheel) detach(head *timer) {
	if head.next == head {
		return
	}
	w.firing.next, w.firing.prev = head.next, head.prev
	head.next.prev, head.prev.next = &w.firing, &w.firing
	head.next, head.prev = head, head
}
