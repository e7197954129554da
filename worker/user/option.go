package user

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is the type of an option, as the command line and the master's form
// show it.
type Kind string

// The kinds of options. A duration travels to and from the master as text
// ("100ms"; a bare number means seconds), the others as their own types.
const (
	KindString   Kind = "string"
	KindBool     Kind = "bool"
	KindInt      Kind = "int"
	KindFloat    Kind = "float"
	KindDuration Kind = "duration"
)

// Option is one declared option of a class, bound to a field of its
// definition. The declaration is the only place that knows the option: flags,
// the master's custom arguments, their defaults and their checks follow from
// it.
type Option struct {
	Name    string // as a flag: lower case, words joined by "-"
	Kind    Kind
	Help    string
	Default string // in the form that Set accepts
	Choices []string
	Secret  bool // masked in the master's form, shown in no listing
	set     func(text string) error
	check   func() error
	text    func() string
}

// Destination is the option's key among the master's custom arguments.
func (o *Option) Destination() string { return strings.ReplaceAll(o.Name, "-", "_") }

// Text is the current value in the form that Set accepts.
func (o *Option) Text() string { return o.text() }

// Set parses a value and stores it in the bound field. The error names the
// option, the value and what would be right.
func (o *Option) Set(text string) error {
	if err := o.set(text); err != nil {
		return o.fault(text, err)
	}
	if len(o.Choices) > 0 && !slices.Contains(o.Choices, o.text()) {
		return o.fault(text, fmt.Errorf("want one of %s", strings.Join(o.Choices, ", ")))
	}
	if o.check == nil {
		return nil
	}
	if err := o.check(); err != nil {
		return o.fault(text, err)
	}
	return nil
}

func (o *Option) fault(text string, err error) error {
	if o.Secret {
		text = "(hidden)"
	}
	return fmt.Errorf("option --%s=%s: %w", o.Name, text, err)
}

// OptionSet is the list of a class's options, in the order of declaration.
// The methods that declare return the Option for what is rarely needed:
// choices, secrecy.
type OptionSet struct {
	options []*Option
}

// All returns the declared options in their order.
func (s *OptionSet) All() []*Option { return s.options }

// Lookup returns the option of that flag name, or nil.
func (s *OptionSet) Lookup(name string) *Option {
	for _, o := range s.options {
		if o.Name == name {
			return o
		}
	}
	return nil
}

func (s *OptionSet) declare(o *Option) *Option {
	o.Default = o.text()
	s.options = append(s.options, o)
	return o
}

// String declares a text option.
func (s *OptionSet) String(field *string, name, value, help string) *Option {
	*field = value
	return s.declare(&Option{
		Name: name, Kind: KindString, Help: help,
		set:  func(text string) error { *field = text; return nil },
		text: func() string { return *field },
	})
}

// Bool declares a yes-or-no option.
func (s *OptionSet) Bool(field *bool, name string, value bool, help string) *Option {
	*field = value
	return s.declare(&Option{
		Name: name, Kind: KindBool, Help: help,
		set:  func(text string) error { return parseBool(field, text) },
		text: func() string { return fmt.Sprint(*field) },
	})
}

// Int declares a whole number within [low, high].
func (s *OptionSet) Int(field *int, name string, value, low, high int, help string) *Option {
	*field = value
	return s.declare(&Option{
		Name: name, Kind: KindInt, Help: help,
		set:   func(text string) error { return parseInt(field, text) },
		check: func() error { return within(*field, low, high) },
		text:  func() string { return fmt.Sprint(*field) },
	})
}

// Float declares a number within [low, high].
func (s *OptionSet) Float(field *float64, name string, value, low, high float64, help string) *Option {
	*field = value
	return s.declare(&Option{
		Name: name, Kind: KindFloat, Help: help,
		set:   func(text string) error { return parseFloat(field, text) },
		check: func() error { return within(*field, low, high) },
		text:  func() string { return fmt.Sprint(*field) },
	})
}

// Duration declares a span of time within [low, high].
func (s *OptionSet) Duration(field *time.Duration, name string, value, low, high time.Duration, help string) *Option {
	*field = value
	return s.declare(&Option{
		Name: name, Kind: KindDuration, Help: help,
		set:   func(text string) error { return parseDuration(field, text) },
		check: func() error { return within(*field, low, high) },
		text:  func() string { return shortDuration(*field) },
	})
}
