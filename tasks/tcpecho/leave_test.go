package tcpecho_test

import (
	"testing"

	"upsurge/targets/echo"
	"upsurge/tasks/internal/stage"
	"upsurge/worker/user"
)

// The target has counted what it got, so the user waits for the echo.
func TestStopFinishesTheEcho(t *testing.T) {
	s, caller, _, peer := waiting(t, nil)
	if s.Stop(caller) {
		t.Fatal("left at once, although an echo is under way")
	}
	peer.Send("pi")
	peer.Send("ng")
	s.AwaitGone()
	peer.ExpectEnd() // no second payload before it
	got := s.Samples(echoRow)
	if len(got) != 1 || s.Present() != 0 {
		t.Fatalf("got %+v and %d present users, want one echo and nobody", got, s.Present())
	}
	wantSample(t, got[0], echoRow, 4, "")
}

func TestStopEndsWithAFailure(t *testing.T) {
	cases := []struct {
		name    string
		do      func(*stage.Peer)
		bytes   int64
		failure string
	}{
		{name: "server closes", do: (*stage.Peer).Leave, failure: "server closed"},
		{name: "server cuts", do: (*stage.Peer).Cut, failure: "reset"},
		{name: "wrong echo", do: func(p *stage.Peer) { p.Send("pong") }, bytes: 4, failure: `wrong data: "pong"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, caller, _, peer := waiting(t, nil)
			if s.Stop(caller) {
				t.Fatal("left at once, although an echo is under way")
			}
			c.do(peer)
			s.AwaitGone()
			s.Settle()
			got := s.Samples(echoRow)
			if len(got) != 1 || s.Loop.Counts().Dialed != 1 {
				t.Fatalf("got %+v and %d dials, want one sample and no dial after it", got, s.Loop.Counts().Dialed)
			}
			wantSample(t, got[0], echoRow, c.bytes, c.failure)
		})
	}
}

func TestStopBetweenEchoes(t *testing.T) {
	s, caller, _, peer := waiting(t, stage.Options{"tcp-echo-interval": untouched})
	peer.Send("ping")
	s.AwaitSamples(echoRow, 1)
	if !s.Stop(caller) {
		t.Fatal("a user that waits for nothing did not leave at once")
	}
	peer.ExpectEnd()
	if s.Present() != 0 || s.Loop.Counts().Open != 0 {
		t.Errorf("%d present users and %+v after the end", s.Present(), s.Loop.Counts())
	}
}

func TestStopWhileWaitingToReconnect(t *testing.T) {
	s := call(t, stage.Unused(t), stage.Options{"tcp-echo-interval": "5ms"})
	caller := s.Enter()
	s.AwaitSamples(connectRow, 1)
	if !s.Stop(caller) {
		t.Fatal("a user without a connection did not leave at once")
	}
	count := s.Count()
	s.Settle()
	if s.Count() != count {
		t.Error("a user that has left dialled again")
	}
}

func TestStopBeforeTheConnect(t *testing.T) {
	server := stage.Listen(t, "")
	s := call(t, server.Address, nil)
	s.Do(func() {
		caller := s.NewUser()
		caller.Start()
		if !caller.Stop() {
			t.Error("a user that is connecting did not leave at once")
		}
	})
	s.Settle()
	if counts := s.Loop.Counts(); counts.Connecting != 0 || counts.Open != 0 || s.Count() != 0 {
		t.Errorf("the loop has %+v and the books %+v, want nothing", counts, s.Samples(""))
	}
}

func TestKill(t *testing.T) {
	s, caller, _, peer := waiting(t, nil)
	if s.Stop(caller) {
		t.Fatal("left at once")
	}
	s.Kill(caller)
	peer.ExpectEnd()
	if s.Present() != 0 || s.Loop.Counts().Open != 0 || len(s.Samples(echoRow)) != 0 {
		t.Errorf("after Kill: %d present, %+v, %+v", s.Present(), s.Loop.Counts(), s.Samples(echoRow))
	}
}

// Every byte that the target sent back is in the books.
func TestBooksAgreeWithTheEchoTarget(t *testing.T) {
	var config echo.Config
	config.Binding.Listen = []string{"127.0.0.1:0"}
	server, err := echo.New(config)
	if err != nil {
		t.Fatal(err)
	}
	stop := stage.Run(t, server.Run, server.Stats)
	s := call(t, server.Addr().String(), nil)
	var callers []user.EventUser
	for range 40 {
		callers = append(callers, s.Enter())
	}
	s.AwaitSamples(echoRow, 400)
	for _, caller := range callers {
		s.Stop(caller)
	}
	s.AwaitGone()
	stats := stop()
	echoes := int64(s.Count() - len(s.Samples(connectRow)))
	if stats.MessagesSent != echoes || stats.BytesSent != 4*echoes || stats.BytesReceived != 4*echoes {
		t.Errorf("the target counted %+v, the users %d echoes of 4 bytes", stats, echoes)
	}
	for _, sample := range s.Samples("") {
		if sample.Failure != "" {
			t.Fatalf("failure %+v", sample)
		}
	}
}
