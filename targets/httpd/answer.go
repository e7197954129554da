package httpd

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

const (
	// MaxSize is the largest response body that ?size= may ask for.
	MaxSize = 1 << 30
	// MaxDelay is the longest wait that ?delay= may ask for.
	MaxDelay = time.Hour

	minStatus = 200 // below, a response would not be a final one
	maxStatus = 599

	defaultText = "ok"
	noSize      = -1
)

// answer is what a request asks to be answered.
type answer struct {
	text   string // the body, unless size says otherwise
	size   int64  // bytes of pattern, or noSize
	delay  time.Duration
	status int
	close  bool
}

// bodyLength is the value of Content-Length.
func (a *answer) bodyLength() int64 {
	if a.size == noSize {
		return int64(len(a.text))
	}
	return a.size
}

// parseAnswer reads the wishes out of a request's target: path /close, or the
// parameters size, delay, status and close. Other parameters are left alone:
// clients add them to get around caches. A wish that can't be granted is
// answered by status 400 and the reason.
func parseAnswer(target []byte) answer {
	a := answer{text: defaultText, size: noSize, status: 200}
	path, query, _ := bytes.Cut(target, []byte{'?'})
	a.close = string(path) == "/close"
	for len(query) > 0 {
		var parameter []byte
		parameter, query, _ = bytes.Cut(query, []byte{'&'})
		key, value, _ := bytes.Cut(parameter, []byte{'='})
		if err := a.wish(key, value); err != nil {
			return answer{text: err.Error() + "\n", size: noSize, status: 400, close: a.close}
		}
	}
	return a
}

func (a *answer) wish(key, value []byte) error {
	switch string(key) {
	case "size":
		size, err := parseNumber(key, value, 0, MaxSize)
		a.size = size
		return err
	case "status":
		status, err := parseNumber(key, value, minStatus, maxStatus)
		a.status = int(status)
		return err
	case "close":
		flag, err := parseNumber(key, value, 0, 1)
		a.close = a.close || flag == 1
		return err
	case "delay":
		delay, err := parseDelay(value)
		a.delay = delay
		return err
	default:
		return nil
	}
}

func parseNumber(key, value []byte, lowest, highest int64) (int64, error) {
	number, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || number < lowest || number > highest {
		return 0, fmt.Errorf("%s=%.40q: must be a number from %d to %d", key, value, lowest, highest)
	}
	return number, nil
}

func parseDelay(value []byte) (time.Duration, error) {
	// Only the sign for micro needs escaping.
	text, err := url.QueryUnescape(string(value))
	if err == nil {
		var delay time.Duration
		if delay, err = time.ParseDuration(text); err == nil && delay >= 0 && delay <= MaxDelay {
			return delay, nil
		}
	}
	return 0, fmt.Errorf("delay=%.40q: must be a duration such as 50ms, at most %v", value, MaxDelay)
}
