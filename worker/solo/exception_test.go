package solo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"upsurge/worker/solo"
	"upsurge/worker/user"
)

// faulty is a class whose own code fails in each round.
type faulty struct{}

func (faulty) Options(*user.OptionSet)                  {}
func (faulty) Prepare(context.Context, user.Test) error { return nil }
func (faulty) NewUser(user.Scope) user.BlockingUser     { return faulty{} }
func (faulty) Start(context.Context) error              { return nil }
func (faulty) Close() error                             { return nil }
func (faulty) Iterate(context.Context) (time.Duration, error) {
	return 0, errors.New("a slip in the class")
}

// A class that does nothing but fail must not pass for a run without failures.
func TestExceptionsAreAnError(t *testing.T) {
	r, err := solo.Run(t.Context(), solo.Config{
		Class:   user.Class{Name: "FaultyUser", New: func() user.Definition { return faulty{} }},
		RunTime: 200 * time.Millisecond,
	})
	if !errors.Is(err, solo.ErrException) || errors.Is(err, solo.ErrSetup) {
		t.Errorf("error %v, want one that wraps ErrException", err)
	}
	if r.Class != "FaultyUser" || r.Total.Count != 0 {
		t.Errorf("result %+v", r)
	}
}
