package fleet_test

import (
	"context"
	"sync"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// books are what the users of a class say they recorded.
type books struct {
	mu                     sync.Mutex
	samples, failed, bytes map[string]int64 // by row
	errors                 map[string]int64 // by row and text
	latencies              time.Duration
}

func newBooks() *books {
	return &books{
		samples: make(map[string]int64), failed: make(map[string]int64),
		bytes: make(map[string]int64), errors: make(map[string]int64),
	}
}

func (b *books) note(row, failure string, latency time.Duration, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.samples[row]++
	b.bytes[row] += bytes
	b.latencies += latency
	if failure != "" {
		b.failed[row]++
		b.errors[row+" "+failure]++
	}
}

// ledger is a definition that writes books. Each test says what else it does.
type ledger struct {
	*books
	text    string // an option
	prepare func(context.Context, user.Test) error
	bind    func(user.Scope)
	busy    bool          // users have work in flight when they are asked to leave
	every   time.Duration // between two samples; 0: none
}

func (d *ledger) Options(set *user.OptionSet) { set.String(&d.text, "text", "default", "a text") }

func (d *ledger) Prepare(ctx context.Context, test user.Test) error {
	if d.prepare != nil {
		return d.prepare(ctx, test)
	}
	return nil
}

// scribes is the class of a ledger with event users.
type scribes struct{ *ledger }

func (d scribes) Bind(scope user.Scope) user.EventSource {
	if d.bind != nil {
		d.bind(scope)
	}
	return &office{ledger: d.ledger, scope: scope, rows: rows(scope), failure: scope.Failure("wrong")}
}

var rowNames = [3]string{"a", "b", "c"}

func rows(scope user.Scope) (list [3]user.Row) {
	for i, name := range rowNames {
		list[i] = scope.Row("TEST", name)
	}
	return list
}

type office struct {
	*ledger
	scope   user.Scope
	rows    [3]user.Row
	failure user.Failure
}

func (o *office) NewUser() user.EventUser { return &scribe{office: o} }

type scribe struct {
	*office
	timer   engine.Timer
	leaving bool
}

func (u *scribe) Start() {
	u.scope.Joined()
	u.again()
}

func (u *scribe) again() {
	if u.every > 0 {
		u.scope.Loop.Schedule(&u.timer, time.Duration(u.scope.Loop.Rand().Int64N(int64(2*u.every))), u)
	}
}

func (u *scribe) OnTimer(*engine.Timer) {
	u.write()
	if u.leaving {
		u.scope.Left()
		u.scope.Ended(u)
		return
	}
	u.again()
}

func (u *scribe) write() {
	random := u.scope.Loop.Rand()
	i, latency, bytes := random.IntN(len(rowNames)), time.Duration(random.Int64N(int64(time.Second))), random.Int64N(1000)
	if random.IntN(4) == 0 {
		u.scope.Fail(u.rows[i], u.scope.Loop.Now(), latency, bytes, u.failure)
		u.note(rowNames[i], "wrong", latency, bytes)
		return
	}
	u.scope.Success(u.rows[i], u.scope.Loop.Now(), latency, bytes)
	u.note(rowNames[i], "", latency, bytes)
}

func (u *scribe) Stop() bool {
	if u.busy {
		u.leaving = true
		return false
	}
	u.scope.Loop.Cancel(&u.timer)
	u.scope.Left()
	return true
}

func (u *scribe) Kill() {
	u.scope.Loop.Cancel(&u.timer)
	u.write()
	u.scope.Left()
}

// clerks is the class of a ledger with blocking users.
type clerks struct{ *ledger }

func (d clerks) NewUser(scope user.Scope) user.BlockingUser {
	return &clerk{ledger: d.ledger, scope: scope, rows: rows(scope), failure: scope.Failure("wrong")}
}

type clerk struct {
	*ledger
	scope   user.Scope
	rows    [3]user.Row
	failure user.Failure
	round   int
}

func (u *clerk) Start(context.Context) error { return nil }

func (u *clerk) Iterate(context.Context) (time.Duration, error) {
	u.round++
	i, latency := u.round%len(rowNames), time.Duration(u.round)*time.Microsecond
	if u.round%5 == 0 {
		u.scope.Fail(u.rows[i], u.scope.Clock.Now(), latency, 7, u.failure)
		u.note(rowNames[i], "wrong", latency, 7)
	} else {
		u.scope.Success(u.rows[i], u.scope.Clock.Now(), latency, 7)
		u.note(rowNames[i], "", latency, 7)
	}
	if u.every == 0 {
		return time.Hour, nil
	}
	return u.every, nil
}

func (u *clerk) Close() error { return nil }

// events and blocking make a class of a ledger.
func events(name string, d *ledger) user.Class {
	d.books = newBooks()
	return user.Class{Name: name, New: func() user.Definition { return scribes{d} }}
}

func blocking(name string, d *ledger) user.Class {
	d.books = newBooks()
	return user.Class{Name: name, New: func() user.Definition { return clerks{d} }}
}

// undecided is the class of a ledger whose option says which kind of users it
// has.
type undecided struct{ *ledger }

func (d undecided) Choose() user.Definition {
	switch d.text {
	case "event":
		return scribes(d)
	case "blocking":
		return clerks(d)
	default:
		return d.ledger
	}
}

func choosing(name string, d *ledger) user.Class {
	d.books = newBooks()
	return user.Class{Name: name, New: func() user.Definition { return undecided{d} }}
}
