package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal returns a context that ends with the first SIGINT or SIGTERM.
// The second one has its ordinary effect: it ends the process at once, for
// those who do not want to wait for work in flight.
func untilSignal(parent context.Context, logger *slog.Logger) (ctx context.Context, stop context.CancelFunc) {
	ctx, restore := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	forget := context.AfterFunc(ctx, func() {
		logger.Info("ending in good order; a second signal ends at once and loses what is not reported yet")
		restore()
	})
	return ctx, func() {
		forget()
		restore()
	}
}
