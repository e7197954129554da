package tcphold_test

import (
	"testing"

	"upsurge/tasks/internal/stage"
	"upsurge/worker/engine"
)

// onLoop is a connected user's handler, whose callbacks are to be measured.
func onLoop(t testing.TB) (*stage.Stage, engine.Handler) {
	t.Helper()
	server := stage.Listen(t, "")
	s := hold(t, server.Address, nil)
	holder := s.Enter()
	server.Accept()
	s.AwaitPresent(1)
	return s, holder.(engine.Handler)
}

func TestReceivingAllocatesNothing(t *testing.T) {
	cases := []struct{ name, data string }{
		{name: "one push", data: "ok"},
		{name: "three pushes", data: "okokok"},
		{name: "two halves", data: "ko"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, holder := onLoop(t)
			if c.name == "two halves" {
				s.Do(func() { holder.OnData(nil, []byte("o")) })
			}
			data := []byte(c.data)
			var allocations float64
			s.Do(func() {
				allocations = testing.AllocsPerRun(1000, func() { holder.OnData(nil, data) })
			})
			if allocations != 0 {
				t.Errorf("%v allocations for each call, want 0", allocations)
			}
			if s.Count() < 1000 || s.Present() != 1 {
				t.Errorf("only %d samples were counted", s.Count())
			}
		})
	}
}

// BenchmarkHold is the path of one push from the loop to the books; the books
// of the test are part of it.
func BenchmarkHold(b *testing.B) {
	s, holder := onLoop(b)
	data := []byte("ok")
	s.Do(func() {
		b.ReportAllocs()
		for b.Loop() {
			holder.OnData(nil, data)
		}
	})
}
