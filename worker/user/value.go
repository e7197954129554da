package user

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

func within[T cmp.Ordered](value, low, high T) error {
	if value < low || value > high {
		return fmt.Errorf("want a value from %v to %v", low, high)
	}
	return nil
}

// parseBool takes what Go, Locust's form and people write.
func parseBool(field *bool, text string) error {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "yes", "on", "1", "t", "y":
		*field = true
	case "false", "no", "off", "0", "f", "n", "":
		*field = false
	default:
		return errors.New("want true or false")
	}
	return nil
}

func parseInt(field *int, text string) error {
	value, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return errors.New("want a whole number")
	}
	*field = value
	return nil
}

func parseFloat(field *float64, text string) error {
	value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return errors.New("want a number")
	}
	*field = value
	return nil
}

func parseDuration(field *time.Duration, text string) error {
	value, err := ParseDuration(text)
	if err == nil {
		*field = value
	}
	return err
}

// ParseDuration takes Go's notation and, because Locust counts in seconds, a
// bare number as seconds.
func ParseDuration(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if value, err := time.ParseDuration(text); err == nil {
		return value, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt64/2/float64(time.Second) {
		return 0, errors.New(`want a time such as 100ms, 1.5s or 2m (a bare number means seconds)`)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// shortDuration drops the zero units that time.Duration prints: 2m, not 2m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// ReadArguments sets every option that the master's custom arguments name,
// by its destination; arguments that no option claims belong to other classes
// or to Locust and are left alone. An argument that is nil or, for anything
// but text, empty leaves the option at its default: that is what the master's
// form sends for a cleared field. All faults are returned together.
func (s *OptionSet) ReadArguments(arguments map[string]any) error {
	var faults []error
	for _, option := range s.options {
		value, ok := arguments[option.Destination()]
		if !ok || value == nil {
			continue
		}
		text := argumentText(value)
		if text == "" && option.Kind != KindString {
			continue
		}
		faults = append(faults, option.Set(text))
	}
	return errors.Join(faults...)
}

// argumentText renders a custom argument in the form that Set accepts. Lists
// come from Locust's append arguments; they are joined by line ends.
func argumentText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return strconv.FormatInt(int64(v), 10)
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []any:
		lines := make([]string, len(v))
		for i, item := range v {
			lines[i] = argumentText(item)
		}
		return strings.Join(lines, "\n")
	case []string:
		return strings.Join(v, "\n")
	default:
		return fmt.Sprint(v)
	}
}
