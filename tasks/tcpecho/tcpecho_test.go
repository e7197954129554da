package tcpecho_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"upsurge/tasks/internal/stage"
	"upsurge/tasks/tcpecho"
	"upsurge/worker/engine"
	"upsurge/worker/user"
)

func TestEcho(t *testing.T) {
	server := stage.Listen(t, "")
	s := call(t, server.Address, nil)
	before := s.Loop.Now()
	s.Enter()
	peer := server.Accept()
	for n := 1; n <= 3; n++ {
		peer.Expect("ping")
		time.Sleep(5 * time.Millisecond)
		peer.Send("ping")
		got := s.AwaitSamples(echoRow, n)[n-1]
		wantSample(t, got, echoRow, 4, "")
		if got.Latency < 5*time.Millisecond || sent(got) < before || got.End > s.Loop.Now() {
			t.Errorf("echo %d took %v, from %v to %v", n, got.Latency, sent(got), got.End)
		}
		before = got.End
	}
	connects := s.Samples(connectRow)
	if len(connects) != 1 || connects[0].Latency <= 0 {
		t.Errorf("connects %+v, want one that took some time", connects)
	}
	wantSample(t, connects[0], connectRow, 0, "")
}

func TestEchoInPieces(t *testing.T) {
	s, caller, _, _ := waiting(t, stage.Options{"tcp-echo-interval": untouched})
	for _, piece := range []string{"p", "in", "g"} {
		if got := s.Samples(echoRow); len(got) != 0 {
			t.Fatalf("before %q of the echo was there: %+v", piece, got)
		}
		s.Feed(caller, piece)
	}
	got := s.Samples(echoRow)
	if len(got) != 1 {
		t.Fatalf("got %+v, want one echo", got)
	}
	wantSample(t, got[0], echoRow, 4, "")
}

func TestWrongEcho(t *testing.T) {
	cases := []struct {
		name    string
		pieces  []string
		echoes  int // good ones before it
		bytes   int64
		failure string
		timed   bool // it answers something, so it has a latency
	}{
		{name: "other text", pieces: []string{"pong"}, bytes: 4, failure: `wrong data: "pong"`, timed: true},
		{name: "wrong end", pieces: []string{"pin", "k"}, bytes: 1, failure: `wrong data: "k"`, timed: true},
		{name: "too much at once", pieces: []string{"pingp"}, bytes: 5, failure: `wrong data: "pingp"`, timed: true},
		{name: "too much in pieces", pieces: []string{"pin", "gp"}, bytes: 2, failure: `wrong data: "gp"`, timed: true},
		{name: "binary", pieces: []string{"\xff\x00"}, bytes: 2, failure: `wrong data: "\xff\x00"`, timed: true},
		{name: "long", pieces: []string{strings.Repeat("x", 1000)}, bytes: 1000, failure: `wrong data: "` + strings.Repeat("x", 64) + `"...`, timed: true},
		{name: "unasked", pieces: []string{"ping", "p"}, echoes: 1, bytes: 1, failure: `wrong data: "p"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			server := stage.Listen(t, "")
			// Before the first send after the pieces lies an interval that is
			// long enough for all of them and short enough to wait for.
			s := call(t, server.Address, stage.Options{"tcp-echo-interval": "50ms"})
			caller := s.Enter()
			peer := server.Accept()
			s.AwaitPresent(1)
			peer.Expect("ping")
			s.Do(func() {
				for _, piece := range c.pieces {
					caller.(engine.Handler).OnData(nil, []byte(piece))
				}
			})
			got := s.Samples(echoRow)
			if len(got) != c.echoes+1 {
				t.Fatalf("got %+v, want %d samples", got, c.echoes+1)
			}
			bad := got[c.echoes]
			wantSample(t, bad, echoRow, c.bytes, c.failure)
			if timed := bad.Latency != user.NoLatency; timed != c.timed {
				t.Errorf("latency %v, want one: %v", bad.Latency, c.timed)
			}
			peer.ExpectEnd()
			server.Accept().Expect("ping")
			s.AwaitPresent(1)
		})
	}
}

func TestEchoTimeout(t *testing.T) {
	const timeout, interval = 20 * time.Millisecond, 10 * time.Millisecond
	server := stage.Listen(t, "")
	s := call(t, server.Address, stage.Options{
		"tcp-echo-timeout": timeout.String(), "tcp-echo-interval": interval.String(),
	})
	s.Enter()
	peer := server.Accept()
	peer.Expect("ping")
	got := s.AwaitSamples(echoRow, 1)[0]
	wantSample(t, got, echoRow, 0, "timeout")
	if got.Latency < timeout {
		t.Errorf("a timeout after %v, want %v or more", got.Latency, timeout)
	}
	peer.ExpectEnd()
	server.Accept().Expect("ping")
	connects := s.AwaitSamples(connectRow, 2)
	if dialled := sent(connects[1]); dialled < got.End+interval {
		t.Errorf("reconnected %v after the timeout, want %v or more", dialled-got.End, interval)
	}
}

func TestServerEnds(t *testing.T) {
	cases := []struct {
		name    string
		end     func(*stage.Peer)
		failure string
	}{
		{name: "closes", end: (*stage.Peer).Leave, failure: "server closed"},
		{name: "closes in the echo", end: func(p *stage.Peer) { p.Send("pi"); p.Leave() }, failure: "server closed"},
		{name: "cuts", end: (*stage.Peer).Cut, failure: "reset"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, _, server, peer := waiting(t, nil)
			c.end(peer)
			got := s.AwaitSamples(echoRow, 1)[0]
			wantSample(t, got, echoRow, 0, c.failure)
			if got.Latency <= 0 {
				t.Errorf("latency %v, want the time since the send", got.Latency)
			}
			server.Accept().Expect("ping")
			s.AwaitPresent(1)
		})
	}
}

// Nothing was asked, so the end has no latency; it is a failure all the same.
func TestServerClosesBetweenEchoes(t *testing.T) {
	s, _, _, peer := waiting(t, stage.Options{"tcp-echo-interval": untouched})
	peer.Send("ping")
	s.AwaitSamples(echoRow, 1)
	peer.Leave()
	got := s.AwaitSamples(echoRow, 2)[1]
	wantSample(t, got, echoRow, 0, "server closed")
	if got.Latency != user.NoLatency || s.Present() != 0 {
		t.Errorf("latency %v and %d present users, want none and nobody", got.Latency, s.Present())
	}
}

func TestRefused(t *testing.T) {
	address := stage.Unused(t)
	s := call(t, address, nil)
	s.Enter()
	for _, sample := range s.AwaitSamples(connectRow, 3) {
		wantSample(t, sample, connectRow, 0, "refused")
		if sample.Latency == user.NoLatency {
			t.Error("a failed connect has no latency")
		}
	}
	if got := s.Advised(); !slices.Equal(got, []engine.Failure{engine.Refused}) {
		t.Errorf("advice was asked for %v, want once for refused", got)
	}
	stage.Listen(t, address).Accept().Expect("ping")
	s.AwaitPresent(1)
}

func TestPayload(t *testing.T) {
	cases := []struct {
		name, payload, size, want string
	}{
		{name: "as it is", payload: "hello", size: "0", want: "hello"},
		{name: "repeated", payload: "ab", size: "5", want: "ababa"},
		{name: "cut", payload: "hello", size: "3", want: "hel"},
		{name: "one byte", payload: "hello", size: "1", want: "h"},
		{name: "just so", payload: "hello", size: "5", want: "hello"},
		{name: "empty", payload: "", size: "0", want: "x"},
		{name: "empty repeated", payload: "", size: "4", want: "xxxx"},
		{name: "binary", payload: "\x00\xff", size: "3", want: "\x00\xff\x00"},
		{name: "large", payload: "0123456789", size: "1048576", want: strings.Repeat("0123456789", 104858)[:1<<20]},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			server := stage.Listen(t, "")
			s := call(t, server.Address, stage.Options{
				"tcp-echo-payload": c.payload, "tcp-echo-payload-size": c.size, "tcp-echo-interval": untouched,
			})
			s.Enter()
			peer := server.Accept()
			peer.Expect(c.want)
			peer.Send(c.want)
			wantSample(t, s.AwaitSamples(echoRow, 1)[0], echoRow, int64(len(c.want)), "")
		})
	}
}

func TestOptions(t *testing.T) {
	cases := []struct {
		name, host string
		options    stage.Options
		fault      string
	}{
		{name: "defaults", host: "127.0.0.1:9000"},
		{name: "own host", options: stage.Options{"tcp-echo-host": "127.0.0.1:9000"}},
		{name: "no pause", host: "127.0.0.1:9000", options: stage.Options{"tcp-echo-interval": "0s"}},
		{name: "interval below zero", host: "127.0.0.1:9000", options: stage.Options{"tcp-echo-interval": "-1s"}, fault: "--tcp-echo-interval=-1s: want a value from 0s"},
		{name: "no timeout", host: "127.0.0.1:9000", options: stage.Options{"tcp-echo-timeout": "0s"}, fault: "--tcp-echo-timeout=0s: want a value from 1ms"},
		{name: "size below zero", host: "127.0.0.1:9000", options: stage.Options{"tcp-echo-payload-size": "-1"}, fault: "--tcp-echo-payload-size=-1: want a value from 0 to 1048576"},
		{name: "too large", host: "127.0.0.1:9000", options: stage.Options{"tcp-echo-payload-size": "1048577"}, fault: "from 0 to 1048576"},
		{name: "no host", fault: "unusable host: none is set"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := stage.Prepare(t, tcpecho.Class(), c.host, c.options)
			switch {
			case c.fault == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
				t.Errorf("error %v, want one with %q", err, c.fault)
			}
		})
	}
}
