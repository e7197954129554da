//go:build goczmq

package zmq

import (
	"testing"
	"time"
)

func TestSendWindow(t *testing.T) {
	start := time.Unix(1000, 0)
	for _, c := range []struct {
		name string
		sent []int // seconds after the start
		at   int
		want bool
	}{
		{name: "nothing sent", at: 0},
		{name: "slow", sent: []int{0, 40, 80}, at: 80},
		{name: "burst", sent: []int{0, 0, 0}, at: 0, want: true},
		{name: "burst across two spans", sent: []int{9, 9, 11}, at: 12, want: true},
		{name: "burst, a span ago", sent: []int{0, 0, 0}, at: 12, want: true},
		{name: "burst, long ago", sent: []int{0, 0, 0}, at: 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := sendWindow{limit: 3, span: 10 * time.Second, began: start}
			moment := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
			for _, seconds := range c.sent {
				w.sent(moment(seconds))
			}
			if got := w.mayBeFull(moment(c.at)); got != c.want {
				t.Errorf("mayBeFull is %v, want %v", got, c.want)
			}
		})
	}
}
