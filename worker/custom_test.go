package worker_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"upsurge/worker"
)

func TestSendMessage(t *testing.T) {
	w, err := worker.New(worker.Config{Classes: idle(), MasterPort: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]worker.Message{
		"Locust's own type": {Type: "stats"},
		"no type":           {},
		"long type":         {Type: strings.Repeat("x", 256)},
		"data":              {Type: "mine", Data: make(chan int)},
	} {
		if err := w.SendMessage(m); err == nil || errors.Is(err, worker.ErrMessagesWaiting) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	for range 100 {
		if err := w.SendMessage(worker.Message{Type: "mine", Data: map[string]any{"n": 1}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.SendMessage(worker.Message{Type: "mine"}); !errors.Is(err, worker.ErrMessagesWaiting) {
		t.Errorf("got %v, want ErrMessagesWaiting", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Error(err)
	}
}
