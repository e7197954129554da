package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"upsurge/worker/user"
)

// processVariable tells a child its number, from 1, and of how many: "3/8".
const processVariable = "UPSURGE_PROCESS"

// processCount reads --processes.
func processCount(text string) (int, error) {
	count, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || count == 0 || count < -1 || count > 10000 {
		return 0, usageError("--processes=%s: want a number from 1 to 10000, or -1 for one for each core", text)
	}
	if count == -1 {
		count = runtime.NumCPU()
	}
	return count, nil
}

// processShare is the place of this process among those that one parent
// started; false where it is none of several.
func processShare() (share user.Share, child bool) {
	number, count, found := strings.Cut(os.Getenv(processVariable), "/")
	if !found {
		return user.Share{}, false
	}
	index, err := strconv.Atoi(number)
	if err != nil {
		return user.Share{}, false
	}
	share.Index = index - 1
	share.Count, err = strconv.Atoi(count)
	return share, err == nil && share.Index >= 0 && share.Index < share.Count
}

// runProcesses starts that many copies of this process and waits for all of
// them. When ctx ends they are asked to end; when one fails, the others go on,
// as one worker's fault must not end the test of the rest, and the worst exit
// code is the parent's. It waits for as long as they take: each bounds its own
// end by the stop timeout, which only the master knows.
func runProcesses(ctx context.Context, count int, logger *slog.Logger) error {
	// A child's signal at its parent's death comes when the thread ends that
	// started it, so that thread has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	path, err := os.Executable()
	if err != nil {
		return err
	}
	ended := make(chan error, count)
	started := 0
	for index := 1; index <= count; index++ {
		child := exec.CommandContext(ctx, path, os.Args[1:]...)
		child.Env = append(os.Environ(), fmt.Sprintf("%s=%d/%d", processVariable, index, count))
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
		child.SysProcAttr = childAttributes()
		if err := child.Start(); err != nil {
			logger.Error("a worker process was not started", "process", index, "error", err)
			ended <- err
		} else {
			go func() {
				err := child.Wait()
				if err != nil && ctx.Err() == nil {
					logger.Error("a worker process ended; the others go on", "process", index, "pid", child.Process.Pid, "error", err)
				}
				ended <- err
			}()
		}
		started++
	}
	logger.Info("worker processes started", "processes", count)
	return worstExit(ended, started)
}

// worstExit waits for the children and returns the worst of their ends.
func worstExit(ended <-chan error, count int) error {
	worst := exitFine
	for range count {
		err := <-ended
		var exit *exec.ExitError
		switch {
		case err == nil, errors.Is(err, context.Canceled):
		case errors.As(err, &exit) && exit.ExitCode() > 0:
			worst = max(worst, exit.ExitCode())
		default:
			worst = max(worst, exitFailures)
		}
	}
	if worst == exitFine {
		return nil
	}
	return &exitError{code: worst}
}
