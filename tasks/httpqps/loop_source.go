package httpqps

import (
	"net/http"

	"upsurge/tasks/internal/http1"
	"upsurge/worker/user"
)

// loopSource is what the users of one event loop share. Loop goroutine only.
type loopSource struct {
	*definition
	scope    user.Scope
	row      user.Row
	failures failures
	head     bool
	// spare holds as many exchanges as were ever in flight at once, save for
	// those that are.
	spare []*exchange
}

// exchange is what a user needs only while a request is in flight: users that
// wait are small.
type exchange struct {
	parser http1.Parser
	check  bodyCheck
}

func newLoopSource(d *definition, scope user.Scope) *loopSource {
	s := &loopSource{definition: d, scope: scope, row: scope.Row(d.method, d.row), head: d.method == http.MethodHead}
	s.failures.scope = &s.scope
	return s
}

// NewUser implements user.EventSource.
func (s *loopSource) NewUser() user.EventUser { return &loopVisitor{source: s} }

func (s *loopSource) takeExchange() *exchange {
	last := len(s.spare) - 1
	if last < 0 {
		s.spare = append(s.spare, &exchange{}) // room for its return
		last = 0
	}
	x := s.spare[last]
	s.spare = s.spare[:last]
	x.parser.Begin(s.head)
	x.check.begin(s.wantBody)
	return x
}

func (s *loopSource) giveExchange(x *exchange) { s.spare = append(s.spare, x) }
