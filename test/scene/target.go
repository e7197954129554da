package scene

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
)

// Target is a target server with its own books.
type Target struct {
	*Process
	Address, Admin string // host:port each
}

// Counters are the books of a target, of which tests read these.
type Counters struct {
	Accepted         int64 `json:"accepted"`
	Open             int64 `json:"open"`
	Closed           int64 `json:"closed"`
	MessagesSent     int64 `json:"messages_sent"`
	MessagesReceived int64 `json:"messages_received"`
	Requests         int64 `json:"requests"`
	Errors           int64 `json:"errors"`
}

// StartTarget starts `upsurge target` of that kind on free ports.
func StartTarget(t testing.TB, kind string, arguments ...string) *Target {
	t.Helper()
	p := Start(t, append([]string{"target", kind, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, arguments...)...)
	return &Target{
		Process: p,
		Address: p.WaitOutput(`listening on (\S+)`)[1],
		Admin:   p.WaitOutput(`admin on (\S+)`)[1],
	}
}

// Counters asks the target for its books.
func (s *Target) Counters() Counters {
	s.t.Helper()
	response, err := http.Get("http://" + s.Admin + "/stats") //nolint:forbidigo // a test's own request
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var c Counters
	if err := json.Unmarshal(body, &c); err != nil {
		s.t.Fatalf("%v: %s", err, body)
	}
	return c
}
