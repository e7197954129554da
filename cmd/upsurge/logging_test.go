package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogLevels(t *testing.T) {
	levels := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, slog.LevelError + 4}
	cases := []struct {
		text  string
		least slog.Level
	}{
		{"DEBUG", slog.LevelDebug},
		{"debug", slog.LevelDebug},
		{"INFO", slog.LevelInfo},
		{"Warning", slog.LevelWarn},
		{"WARN", slog.LevelWarn},
		{"ERROR", slog.LevelError},
		{"CRITICAL", slog.LevelError + 4},
	}
	for _, c := range cases {
		flags := logging{level: c.text, format: "text"}
		logger, done, err := flags.open(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, level := range levels {
			if got := logger.Enabled(context.Background(), level); got != (level >= c.least) {
				t.Errorf("--loglevel=%s logs %v: %v", c.text, level, got)
			}
		}
		if err := done(); err != nil {
			t.Error(err)
		}
	}
}

func TestLogFileIsAppendedTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.log")
	for format, want := range map[string]string{"text": "msg=hello", "json": `"msg":"hello"`} {
		var tee strings.Builder
		flags := logging{level: "INFO", format: format, file: path}
		logger, done, err := flags.open(&tee)
		if err != nil {
			t.Fatal(err)
		}
		logger.Info("hello")
		if err := done(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(tee.String(), want) {
			t.Errorf("%s: the tee has %q, want %q", format, tee.String(), want)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "hello") != 2 {
		t.Errorf("the file has %q, %v, want both lines", text, err)
	}
}

func TestLoggingFaults(t *testing.T) {
	cases := []struct {
		name  string
		flags logging
		want  string
	}{
		{name: "level", flags: logging{level: "LOUD", format: "text"}, want: "--loglevel=LOUD: want DEBUG"},
		{name: "format", flags: logging{level: "INFO", format: "xml"}, want: "--log-format=xml: want text or json"},
		{name: "file", flags: logging{level: "INFO", format: "text", file: filepath.Join(t.TempDir(), "none", "x.log")}, want: "--logfile"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := c.flags.open(nil); exitCode(err) != exitUsage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want a usage error with %q", err, c.want)
			}
		})
	}
}
