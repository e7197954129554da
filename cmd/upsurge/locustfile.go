package main

import (
	_ "embed"
	"fmt"
	"slices"
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
	options, err := allOptions(list)
	if err != nil {
		return "", err
	}
	functions := template.FuncMap{"help": pythonHelp, "argument": pythonArgument, "docstring": pythonDocstring}
	parsed, err := template.New("locustfile").Funcs(functions).Parse(locustfileTemplate)
	if err != nil {
		return "", fmt.Errorf("locustfile template: %w", err)
	}
	var text strings.Builder
	err = parsed.Execute(&text, map[string]any{
		"Classes": list, "Options": options,
		"Switches": slices.ContainsFunc(options, func(o *user.Option) bool { return o.Kind == user.KindBool }),
		"Secrets":  slices.ContainsFunc(options, func(o *user.Option) bool { return o.Secret }),
	})
	return text.String(), err
}

// allOptions lists the options of all classes, each once.
func allOptions(list []user.Class) ([]*user.Option, error) {
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
				return nil, fmt.Errorf("classes declare the option --%s differently: a master can have it only once", option.Name)
			}
		}
	}
	return options, nil
}

// pythonText is a string literal of Python's.
func pythonText(text string) string { return strconv.QuoteToASCII(text) }

// pythonHelp is a help text for argparse, which takes a lone % for a format.
func pythonHelp(text string) string { return pythonText(strings.ReplaceAll(text, "%", "%%")) }

// pythonDocstring is what stands between a docstring's quotes.
func pythonDocstring(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
}

// pythonArgument is what add_argument needs to know of an option's type and
// default. The web UI turns what is typed there into the type of the default,
// so no default may be None, and a float's must not look like an int.
func pythonArgument(o *user.Option) (string, error) {
	choices := o.Choices
	var text string
	switch o.Kind {
	case user.KindInt:
		text = "type=int, default=" + o.Default
	case user.KindFloat:
		text = "type=float, default=float(" + o.Default + ")"
	case user.KindBool:
		text = "type=switch, default=" + pythonText(o.Default)
		choices = []string{"true", "false"}
	case user.KindString, user.KindDuration:
		text = "type=str, default=" + pythonText(o.Default)
	default:
		return "", fmt.Errorf("option --%s has the unknown kind %q", o.Name, o.Kind)
	}
	if len(choices) > 0 {
		quoted := make([]string, len(choices))
		for i, choice := range choices {
			quoted[i] = pythonText(choice)
		}
		text += ", choices=[" + strings.Join(quoted, ", ") + "]"
	}
	return text, nil
}
