package main

import (
	"log/slog"
	"strings"

	"github.com/spf13/pflag"

	"upsurge/worker/user"
)

// The flags that Locust has and that mean nothing to a worker: they belong to
// the master, or to Python. Scripts that start workers pass them all the same.
// A short form stands behind a colon.
var (
	locustSwitches = []string{
		"worker", "headless", "headful", "autostart", "web-login", "class-picker", "master", "enable-rebalancing",
		"csv-full-history", "print-stats", "only-summary", "reset-stats", "json", "skip-log-setup", "show-task-ratio",
		"show-task-ratio-json", "equal-weights", "otel", "list:l",
	}
	locustValues = []string{
		"locustfile:f", "config", "host:H", "users:u", "spawn-rate:r", "run-time:t", "config-users", "web-host",
		"web-host-display-name", "web-port:P", "web-auth", "autoquit", "tls-cert", "tls-key", "web-base-path",
		"build-path", "master-bind-host", "master-bind-port", "expect-workers", "expect-workers-max-wait", "tags:T",
		"exclude-tags:E", "csv", "html", "exit-code-on-error", "stop-timeout:s", "profile",
	}
	// locustLists are those of the values above that Locust takes any number of.
	locustLists = map[string]string{
		"-T": "--tags", "--tags": "--tags", "-E": "--exclude-tags", "--exclude-tags": "--exclude-tags",
		"--config-users": "--config-users",
	}
)

// joinLists makes one argument of a flag that takes any number of values and
// of its values: "-T slow db" becomes "--tags=slow db". Flags here have one
// value each, so "db" would be taken for something else.
func joinLists(arguments []string) []string {
	var joined []string
	for i := 0; i < len(arguments); i++ {
		name, isList := locustLists[arguments[i]]
		if !isList {
			joined = append(joined, arguments[i])
			continue
		}
		first := i + 1
		for i+1 < len(arguments) && !strings.HasPrefix(arguments[i+1], "-") {
			i++
		}
		joined = append(joined, name+"="+strings.Join(arguments[first:i+1], " "))
	}
	return joined
}

// ignored is a flag that is accepted and not used.
type ignored struct{ kind string }

func (i *ignored) String() string   { return "" }
func (i *ignored) Set(string) error { return nil }
func (i *ignored) Type() string     { return i.kind }

// acceptLocustFlags makes a worker accept Locust's other flags, unseen in its
// help, and the options of the classes, which come from the master.
func acceptLocustFlags(set *pflag.FlagSet) {
	accept := func(spec, kind, withoutValue string) {
		name, short, _ := strings.Cut(spec, ":")
		flag := set.VarPF(&ignored{kind: kind}, name, short, "ignored by a worker")
		flag.NoOptDefVal, flag.Hidden = withoutValue, true
	}
	for _, spec := range locustSwitches {
		accept(spec, "bool", "true")
	}
	for _, spec := range locustValues {
		accept(spec, "string", "")
	}
	for _, class := range classes() {
		options := &user.OptionSet{}
		class.New().Options(options)
		for _, option := range options.All() {
			if set.Lookup(option.Name) == nil { // two classes may share one
				accept(option.Name, string(option.Kind), "")
			}
		}
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
	if set.NArg() > 0 {
		logger.Debug("a worker ignores user classes on its command line: the master says which ones run", "classes", set.Args())
	}
}
