package tcphold_test

import (
	"testing"
	"time"

	"upsurge/targets"
	"upsurge/targets/push"
	"upsurge/tasks/internal/stage"
	"upsurge/worker/user"
)

// connected is a user that holds a connection, and the server's end of it.
func connected(t testing.TB) (*stage.Stage, user.EventUser, *stage.Peer) {
	t.Helper()
	server := stage.Listen(t, "")
	s := hold(t, server.Address, nil)
	holder := s.Enter()
	peer := server.Accept()
	s.AwaitPresent(1)
	return s, holder, peer
}

// What the server has sent before it heard of the goodbye is counted.
func TestStopCountsPushesUnderWay(t *testing.T) {
	s, holder, peer := connected(t)
	if s.Stop(holder) {
		t.Fatal("left at once, although pushes may be under way")
	}
	peer.ExpectEnd()
	peer.Send("ok")
	peer.Send("okok")
	peer.Leave()
	s.AwaitGone()
	got := s.Samples(receiveRow)
	if len(got) != 3 || s.Present() != 0 {
		t.Errorf("got %+v and %d present users, want 3 receives and nobody", got, s.Present())
	}
	for _, sample := range got {
		wantFailure(t, sample, receiveRow, "")
	}
}

func TestStopEndsWhenTheServerCuts(t *testing.T) {
	s, holder, peer := connected(t)
	if s.Stop(holder) {
		t.Fatal("left at once")
	}
	peer.ExpectEnd()
	peer.Cut()
	s.AwaitGone()
	if got := s.Samples(receiveRow); len(got) != 0 {
		t.Errorf("got %+v: the end of a connection that is being left is no failure", got)
	}
}

func TestStopCountsWrongData(t *testing.T) {
	s, holder, peer := connected(t)
	if s.Stop(holder) {
		t.Fatal("left at once")
	}
	peer.ExpectEnd()
	peer.Send("no")
	s.AwaitGone()
	got := s.Samples(receiveRow)
	if len(got) != 1 {
		t.Fatalf("got %+v, want one sample", got)
	}
	wantFailure(t, got[0], receiveRow, `wrong data: "no"`)
	s.Settle()
	if dialled := s.Loop.Counts().Dialed; dialled != 1 {
		t.Errorf("a user that has left dialled again: %d dials", dialled)
	}
}

// The server's end stays open: the user goes without it after a second.
func TestStopDoesNotWaitForever(t *testing.T) {
	s, holder, peer := connected(t)
	asked := s.Loop.Now()
	if s.Stop(holder) {
		t.Fatal("left at once")
	}
	peer.ExpectEnd()
	s.AwaitGone()
	if waited := s.Loop.Now() - asked; waited < time.Second {
		t.Errorf("left after %v, want 1s or more", waited)
	}
	if got := s.Samples(receiveRow); len(got) != 0 {
		t.Errorf("got %+v: a goodbye without an answer is no failure", got)
	}
}

func TestKill(t *testing.T) {
	s, holder, peer := connected(t)
	if s.Stop(holder) {
		t.Fatal("left at once")
	}
	s.Kill(holder)
	peer.ExpectEnd()
	if open := s.Loop.Counts().Open; open != 0 || s.Present() != 0 || len(s.Samples(receiveRow)) != 0 {
		t.Errorf("after Kill: %d connections, %d present, samples %+v", open, s.Present(), s.Samples(receiveRow))
	}
}

func TestStopWhileWaitingToReconnect(t *testing.T) {
	s := hold(t, stage.Unused(t), stage.Options{"tcp-hold-wait-min": "5ms", "tcp-hold-wait-max": "5ms"})
	holder := s.Enter()
	s.AwaitSamples(connectRow, 1)
	if !s.Stop(holder) {
		t.Fatal("a user without a connection did not leave at once")
	}
	count := s.Count()
	s.Settle()
	if s.Count() != count {
		t.Error("a user that has left dialled again")
	}
}

// The user has stopped before it hears that its connection is established.
func TestStopBeforeTheConnect(t *testing.T) {
	server := stage.Listen(t, "")
	s := hold(t, server.Address, nil)
	s.Do(func() {
		holder := s.NewUser()
		holder.Start()
		if !holder.Stop() {
			t.Error("a user that is connecting did not leave at once")
		}
	})
	s.Settle()
	if counts := s.Loop.Counts(); counts.Connecting != 0 || counts.Open != 0 || s.Count() != 0 {
		t.Errorf("the loop has %+v and the books %+v, want nothing", counts, s.Samples(""))
	}
}

// Both sides' books agree after pushes that come at any moment.
func TestBooksAgreeWithThePushTarget(t *testing.T) {
	server, stop := pushTarget(t, push.Config{Interval: 2 * time.Millisecond, Immediate: true})
	s := hold(t, server, nil)
	var holders []user.EventUser
	for range 40 {
		holders = append(holders, s.Enter())
	}
	s.AwaitPresent(len(holders))
	s.AwaitSamples(receiveRow, 200)
	for _, holder := range holders {
		s.Stop(holder)
	}
	s.AwaitGone()
	connects, sent := int64(len(s.Samples(connectRow))), stop().MessagesSent
	if received := int64(s.Count()) - connects; received != sent {
		t.Errorf("received %d pushes, the target sent %d", received, sent)
	}
	for _, text := range failures(s.Samples("")) {
		if text != "" {
			t.Fatalf("failure %q", text)
		}
	}
}

func pushTarget(t testing.TB, config push.Config) (address string, stop func() targets.Stats) {
	t.Helper()
	config.Binding.Listen = []string{"127.0.0.1:0"}
	server, err := push.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return server.Addr().String(), stage.Run(t, server.Run, server.Stats)
}
