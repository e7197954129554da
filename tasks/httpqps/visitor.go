package httpqps

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"upsurge/worker/user"
)

// visitor is one user on a goroutine of its own, fasthttp's client. All its
// methods are called on that goroutine.
type visitor struct {
	definition *definition
	scope      user.Scope
	row        user.Row
	connection connection
	response   fasthttp.Response
	check      bodyCheck
	failures   failures

	drought drought
	pause   time.Duration // before the next connection
}

var _ user.BlockingUser = (*visitor)(nil)

func newVisitor(d *definition, scope user.Scope) *visitor {
	v := &visitor{definition: d, scope: scope, row: scope.Row(d.method, d.row)}
	v.failures.scope = &v.scope
	v.response.StreamBody = true
	v.response.SkipBody = d.method == fasthttp.MethodHead
	return v
}

// Start connects, so that the user counts as present with its connection. A
// target that can't be reached is a failure in the statistics, no error: the
// user stays and goes on trying.
func (v *visitor) Start(ctx context.Context) error {
	v.connect(ctx)
	return nil
}

// Iterate sends the request once and reads its answer. A connection that is
// gone is replaced first; that is not part of the latency, unless it fails:
// then its failure takes the place of the request.
func (v *visitor) Iterate(ctx context.Context) (time.Duration, error) {
	if v.pause > 0 { // Start could not connect
		return v.takePause(), nil
	}
	if v.connect(ctx) {
		v.request(ctx)
	}
	return max(v.definition.wait(), v.takePause()), ctx.Err()
}

// Close ends the connection.
func (v *visitor) Close() error {
	v.connection.close()
	return nil
}

func (v *visitor) takePause() time.Duration {
	pause := v.pause
	v.pause = 0
	return pause
}

// idleCheck is how long a connection rests before it is looked at. Users that
// don't wait never rest so long, and save the system call.
const idleCheck = time.Millisecond

// connect makes sure of a connection and says whether there is one. Nothing
// was sent on a connection that the server ended at rest, so replacing it is
// no repetition of a request.
func (v *visitor) connect(ctx context.Context) bool {
	c := &v.connection
	start := v.scope.Clock.Now()
	if c.isOpen() && start-c.used >= idleCheck && c.probe.isDead(c.tcp, v.definition.security != nil) {
		c.close()
	}
	if c.isOpen() {
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	d := v.definition
	err := c.dial(ctx, d.nextAddress(), d.options.timeout, d.security)
	end := v.scope.Clock.Now()
	if err == nil {
		v.drought.opened()
		c.used = end
		return true
	}
	if ctx.Err() == nil { // else the user was killed: nobody's failure
		v.scope.Fail(v.row, end, end-start, 0, v.failures.transport(err))
		v.pause = v.drought.refused()
	}
	return false
}

// request sends the request on the open connection, reads the answer and
// records both as one sample.
func (v *visitor) request(ctx context.Context) {
	c, d := &v.connection, v.definition
	v.check.begin(d.wantBody)
	start := v.scope.Clock.Now()
	err := c.limit(ctx, time.Now().Add(d.options.timeout))
	if err == nil {
		err = v.exchange()
	}
	end := v.scope.Clock.Now()
	c.used = end
	bytes := v.check.total
	switch code := v.response.StatusCode(); {
	case err != nil:
		v.broken(ctx, end, end-start, err)
		return
	case !d.statuses.has(code):
		v.scope.Fail(v.row, end, end-start, bytes, v.failures.status(code))
	case !v.check.met():
		v.scope.Fail(v.row, end, end-start, bytes, v.scope.Failure(v.check.text()))
	default:
		v.scope.Success(v.row, end, end-start, bytes)
	}
	v.drought.ended()
	if !d.options.keepAlive || endsConnection(&v.response) || !c.isReusable() {
		c.close()
	}
}

// broken records a request without a whole answer and gives its connection
// up: a late answer would be taken for that of the next request.
func (v *visitor) broken(ctx context.Context, end, latency time.Duration, err error) {
	fault := v.connection.fault
	v.connection.cut()
	if ctx.Err() != nil {
		return // killed in the middle: nobody's failure
	}
	var number user.Failure
	if fault != nil {
		number = v.failures.transport(fault)
	} else {
		number = v.failures.malformed(err)
	}
	v.scope.Fail(v.row, end, latency, v.check.total, number)
	v.pause = v.drought.broken(latency >= v.definition.options.timeout)
}

// exchange sends the request and reads the answer. Errors of the transport
// are also in the connection's fault.
func (v *visitor) exchange() error {
	c := &v.connection
	if _, err := c.stream.Write(v.definition.request); err != nil {
		return v.readEarly(err)
	}
	return readAnswer(c, &v.response, &v.check, &v.definition.buffers)
}

// readEarly is for a server that answers and closes without reading the whole
// request, 413 say: the write fails, and yet there may be an answer. If there
// is none, the fault is that of the write, except that a broken pipe only says
// that the connection had ended: how, the read has found.
func (v *visitor) readEarly(written error) error {
	c := &v.connection
	c.fault = written // the connection must not be used again
	if errors.Is(written, os.ErrDeadlineExceeded) {
		return written
	}
	err := readAnswer(c, &v.response, &v.check, &v.definition.buffers)
	if err != nil && !errors.Is(written, syscall.EPIPE) {
		c.fault = written
	}
	return err
}
