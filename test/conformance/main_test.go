package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"upsurge/test/scene"
	"upsurge/worker"
	"upsurge/worker/logbook"
)

// workerVariable makes the test binary a worker with the classes of this
// package; its value is a workerSettings in JSON.
const workerVariable = "UPSURGE_CONFORMANCE_WORKER"

// workerSettings are those of workers with this package's classes. They answer
// each custom message with a conformance_reply that holds its type and data.
type workerSettings struct {
	Port    int
	Workers int // in one process; 0 means 1
	Loops   int // of each
}

func TestMain(m *testing.M) {
	settings := os.Getenv(workerVariable)
	if settings == "" {
		os.Exit(m.Run())
	}
	if err := work(settings); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// work runs the workers until they have left their master or SIGTERM came.
func work(text string) error {
	var settings workerSettings
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var running sync.WaitGroup
	ends := make([]error, max(1, settings.Workers))
	for i := range ends {
		var w *worker.Worker
		config := settings.config(i)
		config.OnMessage = func(m worker.Message) {
			reply := worker.Message{Type: "conformance_reply", Data: map[string]any{"type": m.Type, "data": m.Data}}
			if err := w.SendMessage(reply); err != nil {
				config.Logger.Error("no reply", "error", err)
			}
		}
		w, err := worker.New(config)
		if err != nil {
			return err
		}
		running.Go(func() { ends[i] = w.Run(ctx) })
	}
	running.Wait()
	return errors.Join(ends...)
}

func (s workerSettings) config(index int) worker.Config {
	book := logbook.New()
	handler := slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})
	return worker.Config{
		MasterPort: s.Port, Loops: s.Loops, Classes: classes(), Logbook: book,
		Logger: slog.New(handler).With("worker", index),
	}
}

// startClasses starts workers with this package's classes.
func startClasses(t testing.TB, settings workerSettings) *scene.Process {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path)
	command.Env = append(os.Environ(), workerVariable+"="+string(text))
	return scene.StartCommand(t, command)
}

func itoa(n int) string { return strconv.Itoa(n) }
