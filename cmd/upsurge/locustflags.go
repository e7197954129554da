package main

import (
	"log/slog"

	"github.com/spf13/pflag"
)

// The flags that Locust has and that mean nothing to a worker: they belong to
// the master, or to Python. Scripts that start workers pass them all the same.
var (
	locustSwitches = []string{
		"headless", "autostart", "web-login", "class-picker", "master", "enable-rebalancing", "csv-full-history",
		"print-stats", "only-summary", "reset-stats", "json", "skip-log-setup", "show-task-ratio",
		"show-task-ratio-json", "equal-weights", "otel", "list",
	}
	locustValues = []string{
		"locustfile:f", "config", "host:H", "users:u", "spawn-rate:r", "run-time:t", "config-users", "web-host",
		"web-port:P", "autoquit", "tls-cert", "tls-key", "web-base-path", "master-bind-host", "master-bind-port",
		"expect-workers", "expect-workers-max-wait", "tags:T", "exclude-tags:E", "csv", "html",
		"exit-code-on-error", "stop-timeout:s", "profile",
	}
)

// ignored is a flag that is accepted and not used.
type ignored struct{ kind string }

func (i *ignored) String() string   { return "" }
func (i *ignored) Set(string) error { return nil }
func (i *ignored) Type() string     { return i.kind }

// acceptLocustFlags makes a worker accept Locust's other flags, unseen in its
// help.
func acceptLocustFlags(set *pflag.FlagSet) {
	for _, name := range locustSwitches {
		flag := set.VarPF(&ignored{kind: "bool"}, name, "", "ignored by a worker")
		flag.NoOptDefVal, flag.Hidden = "true", true
	}
	for _, spec := range locustValues {
		name, short := spec, ""
		if n := len(spec) - 2; spec[n] == ':' {
			name, short = spec[:n], spec[n+1:]
		}
		set.VarPF(&ignored{kind: "string"}, name, short, "ignored by a worker").Hidden = true
	}
}

// ignoredLocustFlags says, for those who look, what was ignored. Values are
// left out: some are secrets.
func ignoredLocustFlags(set *pflag.FlagSet, logger *slog.Logger) {
	set.Visit(func(flag *pflag.Flag) {
		if _, ok := flag.Value.(*ignored); ok {
			logger.Debug("a worker ignores this flag of Locust's", "flag", "--"+flag.Name)
		}
	})
}
