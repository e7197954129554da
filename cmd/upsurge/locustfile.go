package main

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"upsurge/worker/user"
)

//go:embed locustfile.py.tmpl
var locustfileTemplate string

func newLocustfileCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "locustfile",
		Short: "Print the locustfile for the master",
		Long: `Print a locustfile for the master: one dummy class for each user class of this
binary, and every option of theirs as a custom argument, so that the web UI
shows them. Print it anew after a class of your own was added.`,
		Example: "  upsurge locustfile > locustfile.py && locust -f locustfile.py --master",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			text, err := locustfile(classes())
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(command.OutOrStdout(), text)
			return err
		},
	}
}

// locustfile renders the locustfile of the classes.
func locustfile(list []user.Class) (string, error) {
	var options []*user.Option
	known := map[string]*user.Option{}
	for _, class := range list {
		set := &user.OptionSet{}
		class.New().Options(set)
		for _, option := range set.All() {
			before := known[option.Name]
			if before == nil {
				known[option.Name] = option
				options = append(options, option)
			} else if before.Kind != option.Kind || before.Default != option.Default {
				return "", fmt.Errorf("classes declare the option --%s differently: a master can have it only once", option.Name)
			}
		}
	}
	functions := template.FuncMap{"help": pythonHelp, "argument": pythonArgument}
	parsed, err := template.New("locustfile").Funcs(functions).Parse(locustfileTemplate)
	if err != nil {
		return "", fmt.Errorf("locustfile template: %w", err)
	}
	var text strings.Builder
	err = parsed.Execute(&text, map[string]any{"Classes": list, "Options": options})
	return text.String(), err
}

// pythonText is a string literal of Python's.
func pythonText(text string) string { return strconv.QuoteToASCII(text) }

// pythonHelp is a help text for argparse, which takes a lone % for a format.
func pythonHelp(text string) string { return pythonText(strings.ReplaceAll(text, "%", "%%")) }

// pythonArgument is what add_argument needs to know of an option's type and
// default. A default decides the type of what the web UI sends back, so it
// must be typed; a bool is a switch there.
func pythonArgument(o *user.Option) (string, error) {
	var text string
	switch o.Kind {
	case user.KindInt, user.KindFloat:
		text = fmt.Sprintf("type=%s, default=%s", o.Kind, o.Default)
	case user.KindBool:
		text = "type=yes_or_no, default=" + map[string]string{"true": "True", "false": "False"}[o.Default]
	case user.KindString, user.KindDuration:
		text = "type=str, default=" + pythonText(o.Default)
	default:
		return "", fmt.Errorf("option --%s has the unknown kind %q", o.Name, o.Kind)
	}
	if len(o.Choices) > 0 {
		quoted := make([]string, len(o.Choices))
		for i, choice := range o.Choices {
			quoted[i] = pythonText(choice)
		}
		text += ", choices=[" + strings.Join(quoted, ", ") + "]"
	}
	if o.Secret {
		text += ", is_secret=True"
	}
	return text, nil
}
