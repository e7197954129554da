package conformance

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"upsurge/worker/engine"
	"upsurge/worker/user"
)

// classes are user classes with a known amount of work and no sockets.
func classes() []user.Class {
	return []user.Class{
		{Name: "IdleUser", Help: "is present and does nothing", New: func() user.Definition { return &idle{} }},
		{Name: "SampleUser", Help: "records given samples", New: func() user.Definition { return &samples{} }},
		{Name: "FaultUser", Help: "fails with texts that are no text", New: func() user.Definition { return &faults{} }},
		{Name: "ConfiguredUser", Help: "reports its options as names of rows", New: func() user.Definition { return &configured{} }},
		{Name: "LargeUser", Help: "fills a report of many megabytes", New: func() user.Definition { return &large{} }},
	}
}

// idle has no options; it is also the base of the others.
type idle struct{}

func (*idle) Options(*user.OptionSet)                  {}
func (*idle) Prepare(context.Context, user.Test) error { return nil }
func (d *idle) Bind(scope user.Scope) user.EventSource { return &present{scope: scope} }

// present makes users that do once what act says and are present after that.
type present struct {
	scope user.Scope
	act   func()
}

func (p *present) NewUser() user.EventUser { return &presentUser{source: p} }

type presentUser struct{ source *present }

func (u *presentUser) Start() {
	if u.source.act != nil {
		u.source.act()
	}
	u.source.scope.Joined()
}

func (u *presentUser) Stop() bool {
	u.source.scope.Left()
	return true
}

func (*presentUser) Kill() {}

// samples records its times: all at once, or in turn at a rate.
type samples struct {
	times string
	rate  float64
	list  []time.Duration
}

func (d *samples) Options(options *user.OptionSet) {
	options.String(&d.times, "sample-times", "10", "response times in milliseconds, separated by commas")
	options.Float(&d.rate, "sample-rate", 0, 0, 10000, "samples a second of each user; 0: each time once")
}

func (d *samples) Prepare(context.Context, user.Test) error {
	for text := range strings.SplitSeq(d.times, ",") {
		milliseconds, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("sample time: %w", err)
		}
		d.list = append(d.list, time.Duration(milliseconds*float64(time.Millisecond)))
	}
	return nil
}

func (d *samples) Bind(scope user.Scope) user.EventSource {
	row := scope.Row("SAMPLE", "given")
	if d.rate > 0 {
		return &sampleSource{definition: d, scope: scope, row: row}
	}
	return &present{scope: scope, act: func() {
		for _, latency := range d.list {
			scope.Success(row, scope.Loop.Now(), latency, 11)
		}
	}}
}

type sampleSource struct {
	definition *samples
	scope      user.Scope
	row        user.Row
}

func (s *sampleSource) NewUser() user.EventUser { return &sampleUser{source: s} }

// sampleUser records on a schedule that does not drift: what came due while
// the machine was busy is made up for.
type sampleUser struct {
	source *sampleSource
	timer  engine.Timer
	begin  time.Duration
	done   int
}

func (u *sampleUser) Start() {
	u.begin = u.source.scope.Loop.Now()
	u.source.scope.Joined()
	u.OnTimer(&u.timer)
}

func (u *sampleUser) OnTimer(*engine.Timer) {
	s := u.source
	now := s.scope.Loop.Now()
	every := time.Duration(float64(time.Second) / s.definition.rate)
	for ; u.begin+time.Duration(u.done)*every <= now; u.done++ {
		s.scope.Success(s.row, now, s.definition.list[u.done%len(s.definition.list)], 11)
	}
	s.scope.Loop.Schedule(&u.timer, u.begin+time.Duration(u.done)*every-now, u)
}

func (u *sampleUser) Stop() bool {
	u.source.scope.Loop.Cancel(&u.timer)
	u.source.scope.Left()
	return true
}

func (*sampleUser) Kill() {}

// faults fails with what Python's decoders stumble over.
type faults struct{ idle }

// faultTexts are distinct, and stay distinct when they are made valid.
func faultTexts() []string {
	return []string{
		"invalid \xff\xfe\xc3\x28 bytes", "half a letter \xe2\x82", "a surrogate \xed\xa0\x80",
		"NUL \x00 within", strings.Repeat("x", 1<<20), "",
	}
}

func (d *faults) Bind(scope user.Scope) user.EventSource {
	return &present{scope: scope, act: func() {
		now := scope.Loop.Now()
		for _, text := range faultTexts() {
			scope.Fail(scope.Row("FAULT", "errors"), now, time.Millisecond, 0, scope.Failure(text))
		}
		scope.Success(scope.Row("M\xff", "name \x00 \xc0\xaf"), now, time.Millisecond, 0)
		scope.Exception("message \xff \x00", "traceback \xfe \x00 "+strings.Repeat("y", 1<<20))
	}}
}

// configured shows what reached it as the names of rows.
type configured struct {
	shown, hidden, secret, host string
	count                       int
	flag                        bool
}

func (d *configured) Options(options *user.OptionSet) {
	options.String(&d.shown, "configured-shown", "", "a text that the page shows")
	options.String(&d.hidden, "configured-hidden", "", "a text that the page does not show")
	options.String(&d.secret, "configured-secret", "", "a text that nobody may see").Secret = true
	options.Int(&d.count, "configured-count", 0, 0, 1000, "a number")
	options.Bool(&d.flag, "configured-flag", false, "a switch")
}

func (d *configured) Prepare(_ context.Context, test user.Test) error {
	d.host = test.Host
	return nil
}

func (d *configured) Bind(scope user.Scope) user.EventSource {
	return &present{scope: scope, act: func() {
		for name, value := range map[string]string{
			"shown": d.shown, "hidden": d.hidden, "secret": itoa(len(d.secret)), "count": itoa(d.count),
			"flag": strconv.FormatBool(d.flag), "host": d.host,
		} {
			scope.Success(scope.Row(name, value), scope.Loop.Now(), user.NoLatency, 0)
		}
	}}
}

// large records so many rows with such long names that a report has many
// megabytes.
type large struct {
	idle
	rows int
}

func (d *large) Options(options *user.OptionSet) {
	options.Int(&d.rows, "large-rows", 1, 1, 100000, "rows, of one sample each")
}

func (d *large) Bind(scope user.Scope) user.EventSource {
	return &present{scope: scope, act: func() {
		now := scope.Loop.Now()
		for i := range d.rows {
			scope.Success(scope.Row("LARGE", fmt.Sprintf("%06d%s", i, strings.Repeat("-", 1000))), now, time.Millisecond, 1)
		}
	}}
}
