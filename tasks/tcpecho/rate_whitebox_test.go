package tcpecho

import (
	"testing"
	"time"

	"upsurge/tasks/internal/stage"
)

// tick is the resolution of the engine's timers.
const tick = time.Millisecond

// The next send is due an interval after this one was due, however long the
// echo took and however late the timer was. An echo that takes longer than
// that is followed by a send at once, and sends that were missed are not made
// up for.
func TestIntervalCountsFromTheMomentASendWasDue(t *testing.T) {
	cases := []struct {
		name     string
		interval string
		late     time.Duration // of the send
		want     func(due, echoed time.Duration) time.Duration
	}{
		{name: "in time", interval: "1h", want: func(due, _ time.Duration) time.Duration { return due + time.Hour }},
		{name: "sent late", interval: "1h", late: time.Minute, want: func(due, _ time.Duration) time.Duration { return due + time.Hour }},
		{name: "echoed late", interval: "1s", late: time.Minute, want: func(_, echoed time.Duration) time.Duration { return echoed }},
		{name: "no pause", interval: "0s", want: func(_, echoed time.Duration) time.Duration { return echoed }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			server := stage.Listen(t, "")
			s := stage.New(t, Class(), server.Address, stage.Options{"tcp-echo-interval": c.interval})
			user := s.Enter().(*caller)
			server.Accept()
			s.AwaitPresent(1)
			time.Sleep(30 * time.Millisecond) // the echo takes its time
			s.Do(func() {
				user.due -= c.late
				due, before := user.due, s.Loop.Now()
				user.OnData(nil, []byte("ping"))
				passed := s.Loop.Now() - before
				got := user.timer.Due()
				low := c.want(due, before)
				if got < low || got > low+passed+tick {
					t.Errorf("the timer of the next send is set to %v, want %v to %v", got, low, low+passed+tick)
				}
				if user.due < low || user.due > low+passed {
					t.Errorf("the next send is due at %v, want %v to %v", user.due, low, low+passed)
				}
			})
		})
	}
}
