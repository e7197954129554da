package solo_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests. Nothing is expected to need it.
const patience = 30 * time.Second

// echo is a server that sends back every byte and counts them: what it says
// is independent of what the users say.
type echo struct {
	address string
	bytes   atomic.Int64
	accepts atomic.Int64
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{address: listener.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			e.accepts.Add(1)
			running.Go(func() { e.serve(connection) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait() // hangs if a user has left its connection behind
	})
	return e
}

func (e *echo) serve(connection net.Conn) {
	defer func() { _ = connection.Close() }()
	buffer := make([]byte, 512)
	for {
		n, err := connection.Read(buffer)
		e.bytes.Add(int64(n))
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:n]); err != nil {
			return
		}
	}
}

const message = "hello"

// settings is a definition that names its row and host.
type settings struct {
	row     string
	host    string
	prepare func(context.Context) error
}

func (d *settings) Options(set *user.OptionSet) { set.String(&d.row, "row", "talk", "its row") }

func (d *settings) Prepare(ctx context.Context, test user.Test) error {
	d.host = test.Host
	if d.prepare != nil {
		return d.prepare(ctx)
	}
	return nil
}

// talkers are event users that send and wait for the echo, over and over.
type talkers struct {
	*settings
	target *engine.Target
}

func (d *talkers) Prepare(ctx context.Context, test user.Test) (err error) {
	if err := d.settings.Prepare(ctx, test); err != nil {
		return err
	}
	d.target, err = engine.NewTarget(ctx, engine.TargetConfig{Address: test.Host})
	return err
}

func (d *talkers) Bind(scope user.Scope) user.EventSource {
	return &room{talkers: d, scope: scope, talk: scope.Row("TCP", d.row), gone: scope.Failure("gone")}
}

type room struct {
	*talkers
	scope user.Scope
	talk  user.Row
	gone  user.Failure
}

func (r *room) NewUser() user.EventUser { return &talker{room: r} }

type talker struct {
	*room
	connection       engine.Conn
	timer            engine.Timer
	since            time.Duration
	came             int
	waiting, leaving bool
}

func (u *talker) Start() {
	if err := u.scope.Loop.Dial(&u.connection, u.target, u); err != nil {
		u.OnClose(&u.connection, err)
	}
}

func (u *talker) OnOpen(*engine.Conn) {
	u.scope.Joined()
	u.OnTimer(&u.timer)
}

func (u *talker) OnTimer(*engine.Timer) {
	u.since, u.came, u.waiting = u.scope.Loop.Now(), 0, true
	if err := u.connection.Write([]byte(message)); err != nil {
		u.OnClose(&u.connection, err)
	}
}

func (u *talker) OnData(_ *engine.Conn, data []byte) {
	if u.came += len(data); u.came < len(message) {
		return
	}
	u.waiting = false
	now := u.scope.Loop.Now()
	u.scope.Success(u.talk, now, now-u.since, int64(u.came))
	if u.leaving {
		u.leave()
		u.scope.Ended(u)
		return
	}
	u.scope.Loop.Schedule(&u.timer, time.Millisecond, u)
}

func (u *talker) OnClose(*engine.Conn, error) {
	now := u.scope.Loop.Now()
	u.scope.Fail(u.talk, now, now-u.since, 0, u.gone)
}

func (u *talker) Stop() bool {
	if u.waiting {
		u.leaving = true
		return false
	}
	u.leave()
	return true
}

func (u *talker) Kill() { u.leave() }

func (u *talker) leave() {
	u.scope.Loop.Cancel(&u.timer)
	if u.connection.Opened() {
		u.scope.Left()
	}
	u.connection.Close()
}

func eventClass() user.Class {
	return user.Class{Name: "Talker", New: func() user.Definition { return &talkers{settings: &settings{}} }}
}

// writers are the same as blocking users; every fifth echo is called wrong.
type writers struct{ *settings }

func (d writers) NewUser(scope user.Scope) user.BlockingUser {
	return &writer{settings: d.settings, scope: scope, row: scope.Row("TCP", d.row), wrong: scope.Failure("wrong")}
}

type writer struct {
	*settings
	scope      user.Scope
	row        user.Row
	wrong      user.Failure
	connection net.Conn
	round      int
}

func (u *writer) Start(ctx context.Context) (err error) {
	u.connection, err = new(net.Dialer).DialContext(ctx, "tcp", u.host)
	return err
}

func (u *writer) Iterate(context.Context) (time.Duration, error) {
	u.round++
	since := u.scope.Clock.Now()
	if _, err := u.connection.Write([]byte(message)); err != nil {
		return 0, err
	}
	var buffer [len(message)]byte
	if _, err := io.ReadFull(u.connection, buffer[:]); err != nil {
		return 0, err
	}
	now := u.scope.Clock.Now()
	if u.round%5 == 0 {
		u.scope.Fail(u.row, now, now-since, int64(len(buffer)), u.wrong)
	} else {
		u.scope.Success(u.row, now, now-since, int64(len(buffer)))
	}
	return time.Millisecond, nil
}

func (u *writer) Close() error {
	if u.connection == nil {
		return nil
	}
	return u.connection.Close()
}

func blockingClass() user.Class {
	return user.Class{Name: "Writer", New: func() user.Definition { return writers{&settings{}} }}
}
