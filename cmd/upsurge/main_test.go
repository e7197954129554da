package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// execute runs a command line as main does, and returns what it printed.
func execute(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	root := newRootCommand()
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(workerArguments(arguments, func(string) string { return "" }))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestWorkerArguments(t *testing.T) {
	cases := []struct {
		name      string
		arguments string
		mode      string // LOCUST_MODE_WORKER
		want      string
	}{
		{name: "nothing", arguments: "", want: ""},
		{name: "subcommand", arguments: "run TcpHoldUser -u 3", want: "run TcpHoldUser -u 3"},
		{name: "subcommand and variable", arguments: "run TcpHoldUser", mode: "true", want: "run TcpHoldUser"},
		{name: "target and --worker", arguments: "target push --worker", want: "target push --worker"},
		{name: "worker", arguments: "worker --master-host m", want: "worker --master-host m"},
		{name: "--worker", arguments: "--worker", want: "worker"},
		{name: "--worker first", arguments: "--worker --master-host m", want: "worker --master-host m"},
		{name: "--worker last", arguments: "-f - --worker", want: "worker -f -"},
		{name: "--worker between", arguments: "-f - --worker --master-host m", want: "worker -f - --master-host m"},
		{name: "variable", arguments: "", mode: "true", want: "worker"},
		{name: "variable and flags", arguments: "-f - --master-host m", mode: "TRUE", want: "worker -f - --master-host m"},
		{name: "variable as Locust takes it", arguments: "", mode: "1", want: "worker"},
		{name: "variable that says no", arguments: "", mode: "false", want: ""},
		{name: "variable and --worker", arguments: "--worker", mode: "true", want: "worker"},
		{name: "version", arguments: "--version", want: "--version"},
		{name: "help with the variable", arguments: "--help", mode: "true", want: "--help"},
		{name: "other flags", arguments: "--headless -u 3", want: "--headless -u 3"},
		{name: "list", arguments: "--worker -T slow db -L DEBUG", want: "worker --tags=slow+db -L DEBUG"},
		{name: "list at the end", arguments: "worker --exclude-tags a b c", want: "worker --exclude-tags=a+b+c"},
		{name: "list of one", arguments: "worker -E a", want: "worker --exclude-tags=a"},
		{name: "empty list", arguments: "worker -T --master-host m", want: "worker --tags= --master-host m"},
		{name: "two lists", arguments: "--config-users a.json b.json -T x --worker", want: "worker --config-users=a.json+b.json --tags=x"},
		{name: "list with =", arguments: "worker --tags=a", want: "worker --tags=a"},
		{name: "not a worker's list", arguments: "run -T a b", want: "run -T a b"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			given := strings.Fields(c.arguments)
			before := slices.Clone(given)
			got := workerArguments(given, func(name string) string {
				return map[string]string{"LOCUST_MODE_WORKER": c.mode}[name]
			})
			var want []string
			for argument := range strings.FieldsSeq(c.want) {
				want = append(want, strings.ReplaceAll(argument, "+", " "))
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			if !slices.Equal(given, before) {
				t.Errorf("the arguments were changed to %q", given)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	plain := errors.New("broken")
	cases := []struct {
		name string
		err  error
		want int
	}{
		{name: "fine", err: nil, want: exitFine},
		{name: "any error", err: plain, want: exitFailures},
		{name: "wrapped error", err: fmt.Errorf("x: %w", plain), want: exitFailures},
		{name: "usage", err: usageError("bad %s", "flag"), want: exitUsage},
		{name: "wrapped usage", err: fmt.Errorf("x: %w", usageError("bad")), want: exitUsage},
		{name: "joined usage", err: errors.Join(plain, usageError("bad")), want: exitUsage},
		{name: "interrupted", err: &exitError{code: exitInterrupted}, want: exitInterrupted},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := exitCode(c.err); got != c.want {
				t.Errorf("exit code %d, want %d", got, c.want)
			}
		})
	}
	if err := usageError("x: %w", plain); !errors.Is(err, plain) || err.Error() != "x: broken" {
		t.Errorf("a usage error hides its cause: %v", err)
	}
	if got := (&exitError{code: 3}).Error(); got != "exit code 3" {
		t.Errorf("got %q", got)
	}
}

// everyCommand calls f for each command with the words that lead to it.
func everyCommand(command *cobra.Command, words []string, f func(*cobra.Command, []string)) {
	f(command, words)
	for _, child := range command.Commands() {
		everyCommand(child, append(slices.Clone(words), child.Name()), f)
	}
}

func TestEveryCommandHelps(t *testing.T) {
	count := 0
	everyCommand(newRootCommand(), nil, func(command *cobra.Command, words []string) {
		count++
		t.Run(command.CommandPath(), func(t *testing.T) {
			if command.Short == "" {
				t.Error("the command has no short help")
			}
			if strings.HasSuffix(command.Short, ".") {
				t.Errorf("short help %q ends with a full stop", command.Short)
			}
			command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
				if flag.Usage == "" {
					t.Errorf("--%s has no help", flag.Name)
				}
			})
			out, err := execute(t, append(words, "--help")...)
			if exitCode(err) != exitFine {
				t.Errorf("--help: %v", err)
			}
			if !strings.Contains(out, "Usage:") || !strings.Contains(out, command.CommandPath()) {
				t.Errorf("--help prints %q", out)
			}
		})
	})
	if count < 10 {
		t.Errorf("only %d commands were looked at", count)
	}
}

func TestVersion(t *testing.T) {
	want := versionLine() + "\n"
	if !strings.HasPrefix(want, "upsurge dev (transport ") {
		t.Errorf("version line %q", want)
	}
	for _, line := range []string{"version", "--version", "-V", "worker --version", "worker -V", "--worker -V", "-f - --worker --version"} {
		if out, err := execute(t, strings.Fields(line)...); err != nil || out != want {
			t.Errorf("%s: %q, %v, want %q", line, out, err, want)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	cases := []struct{ name, line, want string }{
		{name: "unknown command", line: "fly", want: `"fly"`},
		{name: "unknown flag", line: "--fly", want: "--fly; see 'upsurge --help'"},
		{name: "no class", line: "run", want: "TcpHoldUser, TcpEchoUser, HttpQpsUser"},
		{name: "unknown class", line: "run TcpHoldUsr", want: `unknown user class "TcpHoldUsr"`},
		{name: "argument behind a class", line: "run TcpHoldUser TcpEchoUser", want: "TcpEchoUser"},
		{name: "argument of version", line: "version now", want: `"now"`},
		{name: "worker without dashes", line: "worker master-host m", want: `unknown user class "master-host"`},
		{name: "worker's unknown flag", line: "worker --fly", want: "--fly"},
		{name: "value missing", line: "worker --master-host", want: "--master-host"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := execute(t, strings.Fields(c.line)...)
			if exitCode(err) != exitUsage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("exit code %d, %v; want %d, %q", exitCode(err), err, exitUsage, c.want)
			}
		})
	}
}
