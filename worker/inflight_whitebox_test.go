package worker

import (
	"testing"
	"time"

	"upsurge/worker/internal/stats"
)

// reportOf is a report of that many requests.
func reportOf(requests int) stats.Report {
	shard := stats.NewShard(nil)
	row := shard.Row("GET", "/")
	for range requests {
		shard.Success(row, time.Second, time.Millisecond, 1)
	}
	var report stats.Report
	report.Add(shard.Swap())
	return report
}

func TestInFlight(t *testing.T) {
	// Four messages: a heartbeat, a report, a heartbeat, a report.
	send := func(f *inFlight) {
		f.count()
		f.count()
		f.hold(reportOf(10))
		f.count()
		f.count()
		f.hold(reportOf(5))
	}
	cases := []struct {
		name string
		do   func(f *inFlight)
		want int64 // requests that are not proved to have arrived
	}{
		{name: "nothing was sent", do: func(*inFlight) {}},
		{name: "nothing arrived", do: send, want: 15},
		{name: "the first heartbeat arrived", do: func(f *inFlight) { send(f); f.landed(1) }, want: 15},
		{name: "the first report arrived", do: func(f *inFlight) { send(f); f.landed(2) }, want: 5},
		{name: "the second heartbeat arrived", do: func(f *inFlight) { send(f); f.landed(3) }, want: 5},
		{name: "all arrived", do: func(f *inFlight) { send(f); f.landed(4) }},
		{name: "an older proof after a newer", do: func(f *inFlight) { send(f); f.landed(2); f.landed(1) }, want: 5},
		{name: "an empty report", do: func(f *inFlight) { f.count(); f.hold(stats.Report{}) }},
		{name: "it does not matter any more", do: func(f *inFlight) { send(f); f.forget() }},
		{name: "on the next connection", do: func(f *inFlight) { send(f); f.end(); send(f); f.landed(2) }, want: 5},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			var f inFlight
			test.do(&f)
			missing := f.end()
			if total := missing.Total(); total.Count != test.want {
				t.Errorf("%d requests come back, want %d", total.Count, test.want)
			}
			if again := f.end(); !again.Empty() {
				t.Error("they come back twice")
			}
		})
	}
}
