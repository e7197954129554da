package tcpecho

import (
	"testing"
	"time"

	"upsurge/tasks/internal/stage"
)

// shortly is the timeout of the echoes in these tests from the second on. The
// first has an hour, so that the test is sure to get there.
const shortly = 20 * time.Millisecond

// echoedOnce is a user that had its first echo and sends no more by itself.
func echoedOnce(t *testing.T) (*stage.Stage, *caller) {
	t.Helper()
	server := stage.Listen(t, "")
	s := stage.New(t, Class(), server.Address, stage.Options{"tcp-echo-interval": "24h", "tcp-echo-timeout": "1h"})
	user := s.Enter().(*caller)
	server.Accept().Expect("ping")
	s.AwaitPresent(1)
	s.Feed(user, "ping")
	s.Do(func() { user.source.timeout = shortly })
	return s, user
}

// The deadline is that of an echo: a user that has its echo is not cut off.
func TestNoTimeoutBetweenEchoes(t *testing.T) {
	s, user := echoedOnce(t)
	s.Do(func() { // both before the timeout can come
		user.OnTimer(nil)
		user.OnData(nil, []byte("ping"))
	})
	time.Sleep(2 * shortly)
	s.Settle()
	if got := s.Samples("TCP echo"); len(got) != 2 || s.Present() != 1 {
		t.Errorf("got %+v and %d present users, want two echoes and one user", got, s.Present())
	}
}

func TestStopEndsWithATimeout(t *testing.T) {
	s, user := echoedOnce(t)
	left := true
	s.Do(func() {
		user.OnTimer(nil)
		left = s.StopNow(user)
	})
	if left {
		t.Fatal("left at once, although an echo is under way")
	}
	s.AwaitGone()
	got := s.Samples("TCP echo")
	if len(got) != 2 || got[1].Failure != "timeout" || got[1].Latency < shortly {
		t.Errorf("got %+v, want an echo and a timeout after %v or more", got, shortly)
	}
}
