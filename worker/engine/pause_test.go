package engine_test

import (
	"errors"
	"testing"
	"time"

	"upsurge/worker/engine"
)

func TestPauseComesOnce(t *testing.T) {
	l := one(t)
	var c engine.Conn
	called := make(chan time.Duration, 2)
	var began time.Duration
	do(t, l, func() {
		began = l.Now()
		if err := l.Pause(&c, 20*time.Millisecond, expiry(func(*engine.Timer) { called <- l.Now() })); err != nil {
			t.Errorf("Pause: %v", err)
		}
	})
	if after := receive(t, called, "the end of the pause") - began; after < 20*time.Millisecond {
		t.Errorf("it ended after %v", after)
	}
}

func TestPauseEndsWithCloseAndDial(t *testing.T) {
	address := serve(t, "127.0.0.1:0", swallow)
	target := to(t, address)
	for _, end := range []string{"Close", "Dial"} {
		t.Run(end, func(t *testing.T) {
			l := one(t)
			var c engine.Conn
			never := expiry(func(*engine.Timer) { t.Error("the pause came to its end all the same") })
			opened := make(chan struct{}, 1)
			do(t, l, func() {
				if err := l.Pause(&c, 10*time.Millisecond, never); err != nil {
					t.Errorf("Pause: %v", err)
				}
				c.Close()
				if end == "Dial" {
					if err := l.Pause(&c, 10*time.Millisecond, never); err != nil {
						t.Errorf("second Pause: %v", err)
					}
					if err := l.Dial(&c, target, &handler{open: func(*engine.Conn) { opened <- struct{}{} }}); err != nil {
						t.Errorf("Dial: %v", err)
					}
				}
			})
			if end == "Dial" {
				receive(t, opened, "OnOpen")
			}
			later := make(chan struct{})
			var timer engine.Timer
			do(t, l, func() { l.Schedule(&timer, 30*time.Millisecond, expiry(func(*engine.Timer) { close(later) })) })
			receive(t, later, "a timer that is due after the pause")
		})
	}
}

func TestPauseIsForIdleConnections(t *testing.T) {
	l, other := one(t), one(t)
	var c engine.Conn
	opened := make(chan struct{}, 1)
	dial(t, l, &c, to(t, serve(t, "127.0.0.1:0", swallow)), &handler{open: func(*engine.Conn) { opened <- struct{}{} }})
	receive(t, opened, "OnOpen")
	nothing := expiry(func(*engine.Timer) {})
	do(t, l, func() {
		if err := l.Pause(&c, time.Hour, nothing); !errors.Is(err, engine.ErrInUse) {
			t.Errorf("Pause of an open connection: %v, want ErrInUse", err)
		}
		c.Close()
	})
	do(t, other, func() {
		if err := other.Pause(&c, time.Hour, nothing); !errors.Is(err, engine.ErrInUse) {
			t.Errorf("Pause on another loop: %v, want ErrInUse", err)
		}
	})
}
