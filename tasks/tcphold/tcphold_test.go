package tcphold_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"upsurge/tasks/internal/stage"
	"upsurge/tasks/tcphold"
	"upsurge/worker/engine"
)

func TestConnect(t *testing.T) {
	server := stage.Listen(t, "")
	s := hold(t, server.Address, nil)
	before := s.Loop.Now()
	s.Enter()
	server.Accept()
	s.AwaitPresent(1)
	after := s.Loop.Now()
	samples := s.Samples("")
	if len(samples) != 1 {
		t.Fatalf("got %+v, want one sample", samples)
	}
	got := samples[0]
	if got.Row != connectRow || got.Failure != "" || got.Bytes != 0 {
		t.Errorf("got %+v, want a success of %s", got, connectRow)
	}
	if got.Latency <= 0 || got.End-got.Latency < before || got.End > after {
		t.Errorf("a connect within %v and %v took %v and ended at %v", before, after, got.Latency, got.End)
	}
}

func TestReceive(t *testing.T) {
	cases := []struct {
		name   string
		expect string
		pieces []string
		bytes  []int64 // of each receive
	}{
		{name: "single", expect: "ok", pieces: []string{"ok"}, bytes: []int64{2}},
		{name: "split", expect: "ok", pieces: []string{"o", "k"}, bytes: []int64{2}},
		{name: "coalesced", expect: "ok", pieces: []string{"okokok"}, bytes: []int64{2, 2, 2}},
		{name: "split and coalesced", expect: "ok", pieces: []string{"oko", "koko", "k"}, bytes: []int64{2, 2, 2, 2}},
		{name: "not whole yet", expect: "ok", pieces: []string{"oko"}, bytes: []int64{2}},
		{name: "letter by letter", expect: "hello", pieces: strings.Split("hellohello", ""), bytes: []int64{5, 5}},
		{name: "binary", expect: "\x00\xff\n", pieces: []string{"\x00\xff\n\x00", "\xff\n"}, bytes: []int64{3, 3}},
		{name: "anything", expect: "", pieces: []string{"no", "matter", "\x00"}, bytes: []int64{2, 6, 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			server := stage.Listen(t, "")
			s := hold(t, server.Address, stage.Options{"tcp-hold-expect": c.expect})
			holder := s.Enter()
			s.AwaitPresent(1)
			for _, piece := range c.pieces {
				s.Feed(holder, piece)
			}
			var bytes []int64
			for _, sample := range s.Samples(receiveRow) {
				bytes = append(bytes, sample.Bytes)
				wantFailure(t, sample, receiveRow, "")
			}
			if !slices.Equal(bytes, c.bytes) {
				t.Errorf("receives of %v bytes, want %v", bytes, c.bytes)
			}
			if s.Present() != 1 {
				t.Error("the connection was given up")
			}
		})
	}
}

func TestReceiveOverTheNetwork(t *testing.T) {
	server := stage.Listen(t, "")
	s := hold(t, server.Address, nil)
	s.Enter()
	peer := server.Accept()
	for i, text := range []string{"ok", "okok", "o", "k"} {
		peer.Send(text)
		s.AwaitSamples(receiveRow, []int{1, 3, 3, 4}[i])
	}
	if got := s.AwaitSamples(receiveRow, 4); len(got) != 4 {
		t.Errorf("got %+v, want 4 receives", got)
	}
}

func TestWrongData(t *testing.T) {
	cases := []struct {
		name    string
		pieces  []string
		good    int // receives before it
		bytes   int64
		failure string
	}{
		{name: "other text", pieces: []string{"no"}, bytes: 2, failure: `wrong data: "no"`},
		{name: "in the middle", pieces: []string{"o", "x"}, bytes: 2, failure: `wrong data: "ox"`},
		{name: "after a good one", pieces: []string{"okno"}, good: 1, bytes: 2, failure: `wrong data: "no"`},
		{name: "shifted", pieces: []string{"ok", "kok"}, good: 1, bytes: 3, failure: `wrong data: "kok"`},
		{name: "binary", pieces: []string{"\x00\xff\n\u00fc"}, bytes: 5, failure: `wrong data: "\x00\xff\n\u00fc"`},
		{name: "64 bytes are shown", pieces: []string{long("x")[:64]}, bytes: 64, failure: `wrong data: "` + long("x")[:64] + `"`},
		{name: "no more are shown", pieces: []string{long("x")}, bytes: 100, failure: `wrong data: "` + long("x")[:64] + `"...`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			server := stage.Listen(t, "")
			s := hold(t, server.Address, nil)
			holder := s.Enter()
			peer := server.Accept()
			s.AwaitPresent(1)
			for _, piece := range c.pieces {
				s.Feed(holder, piece)
			}
			got := s.Samples(receiveRow)
			if len(got) != c.good+1 {
				t.Fatalf("got %+v, want %d samples", got, c.good+1)
			}
			wantFailure(t, got[c.good], receiveRow, c.failure)
			if got[c.good].Bytes != c.bytes {
				t.Errorf("%d bytes, want %d", got[c.good].Bytes, c.bytes)
			}
			peer.ExpectEnd() // the connection was given up,
			server.Accept()  // and another one made
			s.AwaitPresent(1)
			s.Feed(holder, "ok") // which begins anew
			wantFailure(t, s.AwaitSamples(receiveRow, c.good+2)[c.good+1], receiveRow, "")
		})
	}
}

// A receive takes from the end of the wait before it, or from the connect, to
// the data; nothing if the data was there first.
func TestReceiveLatency(t *testing.T) {
	const pause = 20 * time.Millisecond
	server := stage.Listen(t, "")
	s := hold(t, server.Address, stage.Options{"tcp-hold-wait-min": "5ms", "tcp-hold-wait-max": "5ms"})
	s.Enter()
	peer := server.Accept()
	s.AwaitPresent(1)
	connected := s.Samples(connectRow)[0].End
	for n := 1; n <= 2; n++ {
		time.Sleep(pause)
		peer.Send("ok")
		s.AwaitSamples(receiveRow, n)
	}
	got := s.Samples(receiveRow)
	if want := got[0].End - connected; got[0].Latency != want || want < pause {
		t.Errorf("the first receive took %v, want %v", got[0].Latency, want)
	}
	if want := got[1].End - got[0].End - 5*time.Millisecond; got[1].Latency != want || want <= 0 {
		t.Errorf("the second receive took %v, want %v", got[1].Latency, want)
	}
}

func TestReceiveDuringTheWaitTakesNoTime(t *testing.T) {
	server := stage.Listen(t, "")
	s := hold(t, server.Address, stage.Options{"tcp-hold-wait-min": untouched.String(), "tcp-hold-wait-max": untouched.String()})
	s.Enter()
	peer := server.Accept()
	for n := 1; n <= 3; n++ {
		peer.Send("ok")
		got := s.AwaitSamples(receiveRow, n)
		if n > 1 && got[n-1].Latency != 0 {
			t.Errorf("receive %d took %v, want 0: it came during the wait", n, got[n-1].Latency)
		}
	}
}

func TestWaitIsWithinItsOptions(t *testing.T) {
	const low, high = 2 * time.Millisecond, 6 * time.Millisecond
	server := stage.Listen(t, "")
	s := hold(t, server.Address, stage.Options{"tcp-hold-wait-min": low.String(), "tcp-hold-wait-max": high.String()})
	holder := s.Enter()
	server.Accept()
	s.AwaitPresent(1)
	var waits []time.Duration
	for range 20 {
		s.Feed(holder, "ok")
		time.Sleep(high + time.Millisecond) // the wait is over, so the next receive takes some time
	}
	received := s.Samples(receiveRow)
	for i := 1; i < len(received); i++ {
		waits = append(waits, received[i].End-received[i].Latency-received[i-1].End)
	}
	if slices.Min(waits) < low || slices.Max(waits) > high || slices.Min(waits) == slices.Max(waits) {
		t.Errorf("waits of %v, want random ones of %v to %v", waits, low, high)
	}
}

func TestServerCloses(t *testing.T) {
	const wait = 20 * time.Millisecond
	server := stage.Listen(t, "")
	s := hold(t, server.Address, stage.Options{"tcp-hold-wait-min": wait.String(), "tcp-hold-wait-max": wait.String()})
	s.Enter()
	peer := server.Accept()
	s.AwaitPresent(1)
	peer.Send("o") // the beginning of a push that is lost with the connection
	peer.Leave()
	lost := s.AwaitSamples(receiveRow, 1)[0]
	wantFailure(t, lost, receiveRow, "server closed")
	if lost.Latency < 0 {
		t.Errorf("the receive took %v", lost.Latency)
	}

	again := server.Accept()
	connects := s.AwaitSamples(connectRow, 2)
	if dialled := connects[1].End - connects[1].Latency; dialled < lost.End+wait {
		t.Errorf("reconnected %v after the loss, want %v or more", dialled-lost.End, wait)
	}
	again.Send("ok")
	wantFailure(t, s.AwaitSamples(receiveRow, 2)[1], receiveRow, "")
	s.AwaitPresent(1)
}

func TestServerCuts(t *testing.T) {
	server := stage.Listen(t, "")
	s := hold(t, server.Address, nil)
	s.Enter()
	peer := server.Accept()
	s.AwaitPresent(1)
	peer.Cut()
	wantFailure(t, s.AwaitSamples(receiveRow, 1)[0], receiveRow, "reset")
	server.Accept()
	s.AwaitPresent(1)
}

func TestRefused(t *testing.T) {
	address := stage.Unused(t)
	s := hold(t, address, nil)
	s.Enter()
	for _, sample := range s.AwaitSamples(connectRow, 3) {
		wantFailure(t, sample, connectRow, "refused")
	}
	if got := s.Advised(); !slices.Equal(got, []engine.Failure{engine.Refused}) {
		t.Errorf("advice was asked for %v, want once for refused", got)
	}
	if s.Present() != 0 {
		t.Error("a user without a connection is present")
	}
	server := stage.Listen(t, address)
	server.Accept()
	s.AwaitPresent(1)
}

func TestStaysDown(t *testing.T) {
	server := stage.Listen(t, "")
	s := hold(t, server.Address, stage.Options{
		"tcp-hold-reconnect": "false", "tcp-hold-wait-min": "0s", "tcp-hold-wait-max": "0s",
	})
	holder := s.Enter()
	server.Accept().Leave()
	wantFailure(t, s.AwaitSamples(receiveRow, 1)[0], receiveRow, "server closed")
	s.Settle()
	if dialled := s.Loop.Counts().Dialed; dialled != 1 || s.Present() != 0 {
		t.Errorf("%d dials and %d present users, want 1 and 0", dialled, s.Present())
	}
	if !s.Stop(holder) {
		t.Error("a user that is down did not leave at once")
	}
}

func TestOptions(t *testing.T) {
	cases := []struct {
		name, host string
		options    stage.Options
		fault      string
	}{
		{name: "defaults", host: "127.0.0.1:9000"},
		{name: "own host", host: "", options: stage.Options{"tcp-hold-host": "127.0.0.1:9000"}},
		{name: "own host goes first", host: "nonsense", options: stage.Options{"tcp-hold-host": "127.0.0.1:9000"}},
		{name: "equal waits", host: "127.0.0.1:9000", options: stage.Options{"tcp-hold-wait-min": "1s", "tcp-hold-wait-max": "1s"}},
		{name: "waits in seconds", host: "127.0.0.1:9000", options: stage.Options{"tcp-hold-wait-max": "2"}},
		{name: "waits crossed", host: "127.0.0.1:9000", options: stage.Options{"tcp-hold-wait-min": "5s"}, fault: "--tcp-hold-wait-min=5s and --tcp-hold-wait-max=1s"},
		{name: "wait below zero", host: "127.0.0.1:9000", options: stage.Options{"tcp-hold-wait-min": "-1s"}, fault: "--tcp-hold-wait-min=-1s: want a value from 0s"},
		{name: "wait too long", host: "127.0.0.1:9000", options: stage.Options{"tcp-hold-wait-max": "25h"}, fault: "--tcp-hold-wait-max=25h: want a value from 0s to 24h"},
		{name: "connect timeout", host: "127.0.0.1:9000", options: stage.Options{"tcp-connect-timeout": "0s"}, fault: "--tcp-connect-timeout=0s"},
		{name: "reconnect", host: "127.0.0.1:9000", options: stage.Options{"tcp-hold-reconnect": "sometimes"}, fault: "--tcp-hold-reconnect=sometimes: want true or false"},
		{name: "no host", fault: "unusable host: none is set"},
		{name: "no port", host: "127.0.0.1", fault: "want host:port"},
		{name: "source", host: "127.0.0.1:9000", options: stage.Options{"tcp-source-ips": "10.0.0.0/8"}, fault: "network 10.0.0.0/8 has more than 65536 addresses"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := stage.Prepare(t, tcphold.Class(), c.host, c.options)
			switch {
			case c.fault == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
				t.Errorf("error %v, want one with %q", err, c.fault)
			}
		})
	}
}

func TestMain(m *testing.M) {
	serveOnly()
	goleak.VerifyTestMain(m)
}
