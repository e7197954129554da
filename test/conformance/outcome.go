package conformance

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Result is what came of a check.
type Result string

// The results. Limited means that the check holds as far as this release of
// Locust, or libzmq, lets it, and that the rest was seen to be their doing.
const (
	Passed  Result = "pass"
	Failed  Result = "fail"
	Limited Result = "limit"
	Skipped Result = "skipped"
)

// Outcome is one check with one master and one build of the worker.
type Outcome struct {
	Check   int       `json:"check"`
	Locust  string    `json:"locust"`
	Build   string    `json:"build"`
	Result  Result    `json:"result"`
	Note    string    `json:"note,omitempty"` // the limit, or why it was skipped
	Seconds float64   `json:"seconds"`
	Ended   time.Time `json:"ended"`
}

// Append adds an outcome to the file as a line of JSON. Several processes may
// do so at the same time.
func (o Outcome) Append(path string) error {
	line, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("outcome: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("outcome: %w", err)
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}

// ReadOutcomes reads what Append has written.
func ReadOutcomes(from io.Reader) ([]Outcome, error) {
	var outcomes []Outcome
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		var o Outcome
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return nil, fmt.Errorf("outcome %d: %w", len(outcomes)+1, err)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, lines.Err()
}
