package http1_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"upsurge/tasks/internal/http1"
)

// readByStandard reads the text with net/http, as its Transport does.
func readByStandard(text []byte, forHEAD bool) (o outcome) {
	source := bytes.NewReader(text)
	// Large, because net/http looks for the end of a trailer in the buffer.
	reader := bufio.NewReaderSize(source, 128<<10)
	request := &http.Request{Method: http.MethodGet}
	if forHEAD {
		request.Method = http.MethodHead
	}
	for {
		response, err := http.ReadResponse(reader, request) //nolint:bodyclose // there is no connection behind it
		if err != nil {
			return outcome{err: err}
		}
		if response.StatusCode/100 == 1 && response.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		o = outcome{status: response.StatusCode}
		var body []byte
		if response.StatusCode != http.StatusSwitchingProtocols {
			body, o.err = io.ReadAll(response.Body)
		}
		o.body, o.keep = string(body), !response.Close
		o.consumed = len(text) - source.Len() - reader.Buffered()
		return o
	}
}

// What the parser takes for a response, net/http takes for the same one; and
// however the bytes are cut, the parser reads the same.
func FuzzAgainstStandard(f *testing.F) {
	for _, seed := range []string{
		head + "Content-Length: 2\r\n\r\nokHTTP/1.1 200",
		head + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive, Close\r\n\r\nok",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n",
		"HTTP/1.1 101 Switching\r\n\r\nraw",
		"HTTP/1.1 304\nContent-Length: 5\nContent-Length: 5\n\n",
		head + "X: a\r\n b\r\nContent-Length: 18446744073709551617\r\n\r\n",
		head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n00\r\n\r\n",
		head + "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\nfffffffffffffff\r\nok",
		"\r\n\r\n",
	} {
		f.Add([]byte(seed), 3, false)
		f.Add([]byte(seed), 1, true)
	}
	f.Fuzz(func(t *testing.T, text []byte, part int, forHEAD bool) {
		if len(text) > http1.MaxHead/2 {
			return // the limits differ
		}
		got := read(text, len(text)+1, forHEAD)
		if parted := read(text, max(part, 1), forHEAD); fmt.Sprint(parted) != fmt.Sprint(got) {
			t.Fatalf("in parts of %d %v, in one %v", part, parted, got)
		}
		if got.err != nil {
			return // the parser may be the stricter one: TestResponses and FuzzComposed have what it must take
		}
		want := readByStandard(text, forHEAD)
		if want.err != nil && strings.Contains(want.err.Error(), "bad trailer key") {
			return // the field Trailer is only an announcement, and not looked at
		}
		if got.keep && !want.keep {
			t.Errorf("the connection is kept, net/http closes it")
		}
		want.keep = got.keep
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Errorf("read as %v, by net/http as %v", got, want)
		}
	})
}

// Every response in good form is taken, and its body comes out.
func FuzzComposed(f *testing.F) {
	f.Add(uint16(200), "X-Field", "value", []byte("body"), uint8(0), 5)
	f.Add(uint16(404), "a", "", []byte{}, uint8(1), 1)
	f.Add(uint16(503), "Date", "today", []byte("0\r\n\r\n"), uint8(2), 100)
	f.Fuzz(func(t *testing.T, code uint16, name, value string, body []byte, framing uint8, part int) {
		status := 200 + int(code)%800
		if status == http.StatusNoContent || status == http.StatusNotModified || len(name)+len(value) > http1.MaxHead/2 || len(body) > http1.MaxHead {
			return
		}
		name = "X-" + strings.Map(only("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"), name)
		value = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return -1
			}
			return r
		}, value)
		want := outcome{status: status, body: string(body), keep: framing%3 != 2}
		text := fmt.Appendf(nil, "HTTP/1.1 %d Reason\r\n%s: %s\r\n", status, name, value)
		switch framing % 3 {
		case 0:
			text = fmt.Appendf(text, "Content-Length: %d\r\n\r\n", len(body))
			text = append(text, body...)
		case 1:
			text = append(text, "Transfer-Encoding: chunked\r\n\r\n"...)
			for chunk := range slices.Chunk(body, 1+int(code)%17) {
				text = fmt.Appendf(text, "%x\r\n%s\r\n", len(chunk), chunk)
			}
			text = append(text, "0\r\n\r\n"...)
		default:
			text = append(text, "\r\n"...)
			text = append(text, body...)
		}
		want.consumed = len(text)
		if got := read(text, max(part, 1), false); got != want {
			t.Errorf("%q is read as %v, want %v", text, got, want)
		}
	})
}

func only(allowed string) func(rune) rune {
	return func(r rune) rune {
		if strings.ContainsRune(allowed, r) {
			return r
		}
		return -1
	}
}
