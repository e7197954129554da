package tcpecho_test

import (
	"maps"
	"testing"
	"time"

	"go.uber.org/goleak"

	"upsurge/tasks/internal/stage"
	"upsurge/tasks/tcpecho"
	"upsurge/worker/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	connectRow = "TCP connect"
	echoRow    = "TCP echo"
	// untouched is longer than any test: what waits for it does not come.
	untouched = "24h"
)

// call is a stage with the class; unless the options say otherwise, its users
// send every millisecond.
func call(t testing.TB, host string, options stage.Options) *stage.Stage {
	t.Helper()
	all := stage.Options{"tcp-echo-interval": "1ms"}
	maps.Copy(all, options)
	return stage.New(t, tcpecho.Class(), host, all)
}

// waiting is a user that has sent its first payload, the listener that it
// comes back to, and the server's end of its connection.
func waiting(t testing.TB, options stage.Options) (*stage.Stage, user.EventUser, *stage.Listener, *stage.Peer) {
	t.Helper()
	server := stage.Listen(t, "")
	s := call(t, server.Address, options)
	caller := s.Enter()
	peer := server.Accept()
	s.AwaitPresent(1)
	peer.Expect("ping")
	return s, caller, server, peer
}

func wantSample(t testing.TB, s stage.Sample, row string, bytes int64, failure string) {
	t.Helper()
	if s.Row != row || s.Bytes != bytes || s.Failure != failure {
		t.Errorf("got %+v, want %s of %d bytes, failure %q", s, row, bytes, failure)
	}
}

func sent(s stage.Sample) time.Duration { return s.End - s.Latency }
