package session_test

import (
	"slices"
	"testing"

	"upsurge/worker/internal/session"
)

// Every pair of state and input has one row, at the index at which the
// machine looks for it.
func TestTableIsComplete(t *testing.T) {
	if got, want := len(session.Table), len(states)*len(inputs); got != want {
		t.Fatalf("%d rows, want %d: one for each of %d states with %d inputs", got, want, len(states), len(inputs))
	}
	for i, row := range session.Table {
		state, input := states[i/len(inputs)], inputs[i%len(inputs)]
		if row.State != state || row.Input != input {
			t.Errorf("row %d is %v/%v, want %v/%v", i, row.State, row.Input, state, input)
		}
		if row.Reason == "" {
			t.Errorf("row %v/%v gives no reason", row.State, row.Input)
		}
		if !slices.Contains(states, row.Next) {
			t.Errorf("row %v/%v leads to no state", row.State, row.Input)
		}
	}
}

// A machine that is connected and known does just what its rows say.
func TestStepFollowsTable(t *testing.T) {
	for _, row := range session.Table {
		t.Run(row.State.String()+"/"+row.Input.String(), func(t *testing.T) {
			c := joined(t).in(row.State)
			got := c.Step(c.now, row.Input)
			c.effects(got, row.Effects...)
			c.state(row.Next)
		})
	}
}

// What every row has to keep, whatever becomes of the table.
func TestRowsKeepTheOrderOfGoodbyes(t *testing.T) {
	for _, row := range session.Table {
		t.Run(row.State.String()+"/"+row.Input.String(), func(t *testing.T) {
			stopped := slices.Index(row.Effects, session.SendStopped)
			if ready := slices.Index(row.Effects, session.SendReady); stopped >= 0 && ready != stopped+1 {
				t.Error("client_stopped is not followed by client_ready")
			}
			if statistics := slices.Index(row.Effects, session.SendStats); statistics > 0 {
				t.Error("statistics are not what goes out first")
			}
			exit := slices.Index(row.Effects, session.Exit)
			if (exit >= 0) != (row.Next == session.Left && row.State != session.Left) {
				t.Error("the worker exits on its way to left, and only then")
			}
			if exit >= 0 && exit != len(row.Effects)-1 {
				t.Error("something follows the exit")
			}
			if row.State == session.Left && (row.Next != session.Left || len(row.Effects) > 0) {
				t.Error("something happens after the goodbye")
			}
		})
	}
}

func TestStatesOnWire(t *testing.T) {
	want := map[session.State]string{
		session.Ready: "ready", session.Spawning: "spawning", session.Running: "running",
		session.Stopping: "running", session.Rejoining: "running", session.Leaving: "running", session.Left: "ready",
	}
	for _, state := range states {
		if got := state.OnWire(); got != want[state] {
			t.Errorf("%v is %q on the wire, want %q", state, got, want[state])
		}
	}
}
