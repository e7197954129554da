package tcp

import (
	"math"
	"strings"
	"testing"

	"upsurge/worker/user"
)

func TestCountPorts(t *testing.T) {
	cases := []struct {
		name, span, reserved string
		want                 int
	}{
		{name: "default", span: "32768\t60999\n", reserved: "\n", want: 28232},
		{name: "wide", span: "1024 65535", want: 64512},
		{name: "one", span: "5000 5000", want: 1},
		{name: "reserved within", span: "1024 65535", reserved: "5557-5558,8089\n", want: 64509},
		{name: "reserved outside", span: "32768 60999", reserved: "5557-5558,8089", want: 28232},
		{name: "reserved across the edges", span: "1000 1999", reserved: "990-1009,1990-2010", want: 980},
		{name: "all reserved", span: "1000 1999", reserved: "1-65535", want: 0},
		{name: "empty"},
		{name: "one field", span: "1000"},
		{name: "text", span: "a b"},
		{name: "falling", span: "2000 1000"},
		{name: "odd reservation", span: "1000 2000", reserved: "x-y"},
	}
	for _, c := range cases {
		if got := countPorts(c.span, c.reserved); got != c.want {
			t.Errorf("%s: %d ports, want %d", c.name, got, c.want)
		}
	}
}

func TestRoom(t *testing.T) {
	cases := []struct {
		name string
		room room
		want int
		why  string
	}{
		{name: "alone", room: room{ports: 28232, targets: 1}, want: 28232, why: "1 source addresses × 28232 local ports × 1 targets = 28232 connections"},
		{name: "targets", room: room{ports: 28232, targets: 4}, want: 112928, why: "× 4 targets"},
		{name: "sources", room: room{sources: 10, ports: 28232, targets: 1}, want: 282320, why: "10 source addresses × 28232"},
		{name: "shared", room: room{ports: 100, targets: 1, share: user.Share{Index: 1, Count: 3}}, want: 33, why: "/ 3 processes = 33 connections"},
		{name: "the rest", room: room{ports: 100, targets: 1, share: user.Share{Index: 2, Count: 3}}, want: 34, why: "= 34"},
		{name: "own sources are not shared", room: room{sources: 2, ports: 100, targets: 3, share: user.Share{Index: 2, Count: 3}}, want: 600, why: "2 source addresses"},
		{name: "unknown", room: room{targets: 1}, want: math.MaxInt, why: "--tcp-source-ips"},
	}
	for _, c := range cases {
		if got := c.room.connections(); got != c.want || !strings.Contains(c.room.String(), c.why) {
			t.Errorf("%s: %d (%v), want %d with %q", c.name, got, c.room, c.want, c.why)
		}
	}
}
