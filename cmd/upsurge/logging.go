package main

import (
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// logging are the flags about the log; their names are Locust's.
type logging struct{ level, format, file string }

func (l *logging) declare(flags *pflag.FlagSet) {
	flags.StringVarP(&l.level, "loglevel", "L", fromEnvironment("INFO", "LOCUST_LOGLEVEL"), "DEBUG, INFO, WARNING, ERROR or CRITICAL (env LOCUST_LOGLEVEL)")
	flags.StringVar(&l.format, "log-format", "text", "text or json")
	flags.StringVar(&l.file, "logfile", fromEnvironment("", "LOCUST_LOGFILE"), "append the log to this file instead of stderr (env LOCUST_LOGFILE)")
}

// open makes the logger. tee, unless nil, gets every line as well. Close what
// is returned when all is logged.
func (l *logging) open(tee io.Writer) (*slog.Logger, func() error, error) {
	levels := map[string]slog.Level{
		"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARNING": slog.LevelWarn, "WARN": slog.LevelWarn,
		"ERROR": slog.LevelError, "CRITICAL": slog.LevelError + 4,
	}
	level, ok := levels[strings.ToUpper(l.level)]
	if !ok {
		return nil, nil, usageError("--loglevel=%s: want DEBUG, INFO, WARNING, ERROR or CRITICAL", l.level)
	}
	var out io.Writer = os.Stderr
	done := func() error { return nil }
	if l.file != "" {
		file, err := os.OpenFile(l.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, nil, usageError("--logfile: %w", err)
		}
		out, done = file, file.Close
	}
	if tee != nil {
		out = io.MultiWriter(out, tee)
	}
	options := &slog.HandlerOptions{Level: level}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(out, options)), done, nil
	case "json":
		return slog.New(slog.NewJSONHandler(out, options)), done, nil
	default:
		return nil, nil, usageError("--log-format=%s: want text or json", l.format)
	}
}

// fromEnvironment is the value of the first of the variables that is set, or
// the fallback.
func fromEnvironment(fallback string, names ...string) string {
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return fallback
}
