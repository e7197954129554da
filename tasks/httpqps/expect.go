package httpqps

import (
	"fmt"
	"strconv"
	"strings"
)

// statusSet holds the status codes that count as success, by code. HTTP has
// three digits (RFC 9110 section 15), and so many fasthttp reads.
type statusSet [1000]bool

func (s *statusSet) add(low, high int) {
	for code := low; code <= high; code++ {
		s[code] = true
	}
}

// has says whether the code is in the set.
func (s *statusSet) has(code int) bool { return code >= 0 && code < len(s) && s[code] }

// parseStatuses reads a list of codes ("204") and classes ("2xx"), parted by
// commas or white space. An empty list is 200 to 399: what Locust counts as
// success.
func parseStatuses(text string) (statusSet, error) {
	var set statusSet
	items := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	if len(items) == 0 {
		set.add(200, 399)
		return set, nil
	}
	for _, item := range items {
		first := 0
		if class := strings.ToLower(item); len(class) == 3 && class[1:] == "xx" && class[0] >= '1' && class[0] <= '9' {
			first = int(class[0]-'0') * 100
			set.add(first, first+99)
			continue
		}
		code, err := strconv.Atoi(item)
		if err != nil || code < 100 || code > 999 {
			return set, fmt.Errorf("--http-expect-status: %q is neither a status code nor a class; want a list such as 200,204,3xx", item)
		}
		set.add(code, code)
	}
	return set, nil
}

// shownBody is how much of a wrong body its failure shows, in bytes.
const shownBody = 64

// maxLineEnd is the length of the longest line end that may follow the
// expected body.
const maxLineEnd = 2

// bodyCheck compares a body with the expected one while it comes in, so that
// no body has to be held. The zero bodyCheck expects anything.
type bodyCheck struct {
	want  []byte // nil: anything
	total int64  // bytes of body so far
	wrong bool
	start [shownBody]byte // the first bytes, for the failure's text
}

func (c *bodyCheck) begin(want []byte) { c.want, c.total, c.wrong = want, 0, false }

// add takes the next part of the body.
func (c *bodyCheck) add(part []byte) {
	if c.want != nil {
		if c.total < shownBody {
			copy(c.start[c.total:], part)
		}
		c.compare(part)
	}
	c.total += int64(len(part))
}

func (c *bodyCheck) compare(part []byte) {
	if c.wrong {
		return
	}
	size := int64(len(c.want))
	if c.total < size {
		n := min(size-c.total, int64(len(part)))
		if string(part[:n]) != string(c.want[c.total:c.total+n]) {
			c.wrong = true
			return
		}
		part = part[n:]
	}
	for _, b := range part {
		if b != '\r' && b != '\n' {
			c.wrong = true
		}
	}
}

// met says, after the last part, whether the body was the expected one.
func (c *bodyCheck) met() bool {
	if c.want == nil {
		return true
	}
	size := int64(len(c.want))
	return !c.wrong && c.total >= size && c.total <= size+maxLineEnd
}

// text is the failure of a body that was not met.
func (c *bodyCheck) text() string {
	return "wrong body: " + strconv.Quote(string(c.start[:min(c.total, shownBody)]))
}
