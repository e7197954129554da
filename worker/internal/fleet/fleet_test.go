package fleet_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"upsurge/worker/internal/fleet"
	"upsurge/worker/user"
)

func TestUsersComeAndGo(t *testing.T) {
	h := launch(t, slog.DiscardHandler, events("E", &ledger{}), blocking("B", &ledger{}))
	h.begin()
	steps := []map[string]int{
		{"E": 5, "B": 3},
		{"E": 50, "B": 3},
		{"E": 50, "B": 0},
		{"E": 1, "B": 10},
		{"E": 7}, // a class that is not named any more
		{"E": 0},
	}
	for _, wanted := range steps {
		h.Apply(wanted, 5*time.Millisecond, time.Second)
		h.settled()
		h.until("those who leave are gone", func() bool { return h.Late() == 0 })
		h.counts(map[string]int{"E": wanted["E"], "B": wanted["B"]})
	}
	h.until("nobody is left", h.Empty)
}

// Only the latest wish counts, also in the middle of a ramp.
func TestApplyDuringTheRamp(t *testing.T) {
	h := launch(t, slog.DiscardHandler, events("E", &ledger{}))
	h.begin()
	h.Apply(map[string]int{"E": 1000}, time.Hour, time.Second)
	h.until("the first are there", func() bool { _, sum := h.Counts(); return sum == 2 }) // one on each loop
	if h.Placed() || h.Full() || h.Empty() {
		t.Errorf("placed %v, full %v, empty %v during the ramp", h.Placed(), h.Full(), h.Empty())
	}
	h.Apply(map[string]int{"E": 100}, 0, time.Second)
	h.settled()
	h.counts(map[string]int{"E": 100})
	h.Apply(map[string]int{"E": 10}, time.Hour, time.Second)
	h.Apply(map[string]int{"E": 90}, 0, time.Second)
	h.settled()
	h.counts(map[string]int{"E": 90})
}

// While a class is prepared, heartbeats and other classes go on, and wishes
// are kept.
func TestApplyWhilePreparing(t *testing.T) {
	proceed := make(chan struct{})
	slow := &ledger{prepare: func(ctx context.Context, _ user.Test) error {
		select {
		case <-proceed:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	h := launch(t, slog.DiscardHandler, events("Slow", slow), events("Fast", &ledger{}))
	h.begin()
	h.Apply(map[string]int{"Slow": 5, "Fast": 4}, 0, time.Second)
	h.until("the other class is there", func() bool { _, sum := h.Counts(); return sum == 4 })
	h.Apply(map[string]int{"Slow": 8, "Fast": 2}, 0, time.Second)
	h.until("the other class follows", func() bool { _, sum := h.Counts(); return sum == 2 })
	if h.Placed() || h.Full() {
		t.Error("placed although a class is not ready")
	}
	close(proceed)
	h.settled()
	h.counts(map[string]int{"Slow": 8, "Fast": 2})
}

func TestClearWhilePreparing(t *testing.T) {
	ended := make(chan error, 1)
	slow := &ledger{prepare: func(ctx context.Context, _ user.Test) error {
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}}
	h := launch(t, slog.DiscardHandler, events("Slow", slow))
	h.begin()
	h.Apply(map[string]int{"Slow": 5}, 0, time.Second)
	h.Clear(time.Hour, true)
	h.until("nobody is left", h.Empty)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("preparing ended with %v", err)
	}
	h.close()
	if got := h.exceptions(); len(got) != 0 {
		t.Errorf("exceptions %q of a test that was stopped", got)
	}
}

// What was prepared when its test ended, or for the test before, is not used,
// nor are its failures shown.
func TestPreparedTooLate(t *testing.T) {
	ends := map[string]func(*harbour){
		"cleared":     func(h *harbour) { h.Clear(time.Hour, true) },
		"begun again": func(h *harbour) { h.begin() },
	}
	for name, end := range ends {
		for _, fault := range []error{nil, errors.New("no")} {
			t.Run(name, func(t *testing.T) {
				h := launch(t, slog.DiscardHandler, events("E", &ledger{prepare: func(context.Context, user.Test) error { return fault }}))
				h.begin()
				h.Apply(map[string]int{"E": 5}, 0, time.Second)
				p := h.preparation()
				end(h)
				h.Open(p)
				h.close()
				h.counts(nil)
				if got := h.exceptions(); len(got) != 0 {
					t.Errorf("exceptions %q", got)
				}
			})
		}
	}
}

// Each test has its own options and host.
func TestBeginAgain(t *testing.T) {
	var hosts, texts []string
	var d *ledger
	d = &ledger{prepare: func(_ context.Context, test user.Test) error {
		hosts, texts = append(hosts, test.Host), append(texts, d.text)
		return nil
	}}
	h := launch(t, slog.DiscardHandler, events("E", d))
	for _, host := range []string{"one:1", "two:2"} {
		h.Begin(fleet.Test{Host: host, Read: func(options *user.OptionSet) error {
			return options.Lookup("text").Set("for " + host)
		}})
		h.Apply(map[string]int{"E": 3}, 0, time.Second)
		h.settled()
		h.Clear(time.Hour, true)
		h.until("nobody is left", h.Empty)
	}
	h.close()
	if strings.Join(hosts, " ") != "one:1 two:2" || strings.Join(texts, ", ") != "for one:1, for two:2" {
		t.Errorf("prepared with hosts %q and texts %q", hosts, texts)
	}
	h.counts(nil)
}

// A class may have users of either kind, as its options say.
func TestOptionsChooseTheKind(t *testing.T) {
	for kind, binds := range map[string]int32{"event": 2, "blocking": 0} { // one for each loop
		t.Run(kind, func(t *testing.T) {
			var bound atomic.Int32
			d := &ledger{every: time.Millisecond, bind: func(user.Scope) { bound.Add(1) }}
			h := launch(t, slog.DiscardHandler, choosing("C", d))
			h.Begin(fleet.Test{Read: func(options *user.OptionSet) error { return options.Lookup("text").Set(kind) }})
			h.Apply(map[string]int{"C": 4}, 0, time.Second)
			h.settled()
			h.counts(map[string]int{"C": 4})
			h.Clear(time.Hour, true)
			h.until("nobody is left", h.Empty)
			h.everySample()
			h.close()
			d.books.compare(t, &h.report)
			if got := bound.Load(); got != binds {
				t.Errorf("bound to %d loops, want %d", got, binds)
			}
		})
	}
}

// A class that cannot run is shown once, by its name, and holds up no other.
func TestClassesThatCannotRun(t *testing.T) {
	bad := func(d *ledger) user.Class { return events("Bad", d) }
	cases := []struct {
		name  string
		class user.Class
		read  func(*user.OptionSet) error
		shown string
	}{
		{name: "unknown", class: events("Other", &ledger{}), shown: `unknown user class "Bad": this worker has [Other Good]`},
		{name: "option", class: bad(&ledger{}), read: refuse, shown: "Bad cannot run: option refused"},
		{name: "prepare", class: bad(&ledger{prepare: func(context.Context, user.Test) error { return errors.New("no such file") }}), shown: "Bad cannot run: no such file"},
		{name: "prepare panics", class: bad(&ledger{prepare: func(context.Context, user.Test) error { panic("oh") }}), shown: "Bad cannot run: panic: oh"},
		{name: "new panics", class: user.Class{Name: "Bad", New: func() user.Definition { panic("oh") }}, shown: "Bad cannot run: panic: oh"},
		{name: "new gives nothing", class: user.Class{Name: "Bad", New: func() user.Definition { return nil }}, shown: "Bad cannot run: panic: "},
		{name: "bind panics", class: bad(&ledger{bind: func(user.Scope) { panic("oh") }}), shown: "Bad cannot run: class Bad: Bind panicked: oh"},
		{name: "choice of no kind", class: choosing("Bad", &ledger{}), shown: "its definition *fleet_test.ledger is neither a user.EventDefinition nor"},
		{name: "no kind", class: user.Class{Name: "Bad", New: func() user.Definition { return &ledger{} }}, shown: "neither a user.EventDefinition nor"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			h := launch(t, slog.DiscardHandler, test.class, events("Good", &ledger{}))
			h.Begin(fleet.Test{Read: test.read})
			h.Apply(map[string]int{"Bad": 3, "Good": 0}, 0, time.Second)
			h.until("it has failed", h.Placed)
			h.Begin(fleet.Test{}) // the class's failure stays with its test
			h.exceptions()
			h.Begin(fleet.Test{Read: test.read})
			h.Apply(map[string]int{"Bad": 3}, 0, time.Second)
			h.Apply(map[string]int{"Bad": 4}, 0, time.Second)
			h.until("it has failed again", func() bool { return h.Placed() && h.seen() > 0 })
			if h.Full() {
				t.Error("full without users that were asked for")
			}
			h.close()
			if got := h.exceptions(); len(got) != 1 || !strings.Contains(got[0], test.shown) {
				t.Errorf("exceptions %q, want one with %q", got, test.shown)
			}
			h.counts(nil)
		})
	}
}

func refuse(*user.OptionSet) error { return errors.New("option refused") }

func (h *harbour) seen() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.shown)
}

// Users that do not leave by themselves are late until the grace is over.
func TestLate(t *testing.T) {
	h := launch(t, slog.DiscardHandler, events("E", &ledger{busy: true}))
	h.begin()
	h.Apply(map[string]int{"E": 4}, 0, time.Second)
	h.settled()
	h.Apply(map[string]int{"E": 1}, 0, time.Second)
	h.until("they were asked to leave", h.Placed)
	if got := h.Late(); got != 3 {
		t.Errorf("%d late, want 3", got)
	}
	h.Clear(time.Millisecond, true)
	h.until("nobody is left", h.Empty)
	if got := h.Late(); got != 0 {
		t.Errorf("%d late in the end", got)
	}
	h.counts(nil)
}

// Whatever comes and goes meanwhile, what the users recorded is what arrives:
// to the last sample, also of those who are killed.
func TestEverySampleArrives(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 8))
	ledgers := map[string]*ledger{
		"Quick": {every: time.Millisecond}, "Busy": {every: time.Millisecond, busy: true},
		"Stuck": {busy: true}, "Clerk": {every: time.Millisecond},
	}
	h := launch(
		t, slog.DiscardHandler,
		events("Quick", ledgers["Quick"]), events("Busy", ledgers["Busy"]),
		events("Stuck", ledgers["Stuck"]), blocking("Clerk", ledgers["Clerk"]),
	)
	for range 3 {
		h.begin()
		for range 8 {
			wanted := make(map[string]int)
			for name := range ledgers {
				wanted[name] = random.IntN(40)
			}
			h.Apply(wanted, time.Duration(random.IntN(20))*time.Millisecond, time.Second)
			if random.IntN(2) == 0 {
				h.collect()
			}
			if random.IntN(2) == 0 {
				h.until("the wish is fulfilled", h.Placed)
			}
		}
		h.Clear(time.Duration(random.IntN(5))*time.Millisecond, true)
		h.until("nobody is left", h.Empty)
		h.everySample()
		h.counts(nil)
	}
	h.close()
	sum := newBooks()
	for _, d := range ledgers {
		sum.add(d.books)
	}
	if sum.latencies == 0 {
		t.Fatal("nothing was recorded")
	}
	sum.compare(t, &h.report)
	if got := h.exceptions(); len(got) != 0 {
		t.Errorf("exceptions %q", got)
	}
}
