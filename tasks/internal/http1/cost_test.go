package http1_test

import (
	"fmt"
	"strings"
	"testing"

	"upsurge/tasks/internal/http1"
)

var costCases = []struct{ name, text string }{
	{name: "small", text: "HTTP/1.1 200 OK\r\nServer: x\r\nDate: Fri, 20 Nov 2026 08:00:00 GMT\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nok"},
	{name: "chunked", text: head + "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{name: "20fields", text: head + strings.Repeat("X-Some-Field-Name: with-some-value-0123456789\r\n", 20) + "Content-Length: 2\r\n\r\nok"},
}

func drive(p *http1.Parser, text []byte, part int) int {
	total := 0
	p.Begin(false)
	for len(text) > 0 {
		data := text[:min(part, len(text))]
		text = text[len(data):]
		for len(data) > 0 {
			n, body, err := p.Feed(data)
			if err != nil {
				panic(err)
			}
			total += len(body)
			data = data[n:]
		}
	}
	return total
}

func TestFeedAllocatesNothing(t *testing.T) {
	for _, c := range costCases {
		for _, part := range []int{7, 1 << 20} { // lines in parts: the buffer stays
			t.Run(fmt.Sprintf("%s in parts of %d", c.name, part), func(t *testing.T) {
				var p http1.Parser
				text := []byte(c.text)
				if got := testing.AllocsPerRun(100, func() {
					if drive(&p, text, part) != 2 || !p.Done() {
						t.Error("not read")
					}
				}); got != 0 {
					t.Errorf("%v allocations for a response", got)
				}
			})
		}
	}
}

func BenchmarkFeed(b *testing.B) {
	for _, c := range costCases {
		b.Run(c.name, func(b *testing.B) {
			var p http1.Parser
			text := []byte(c.text)
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				drive(&p, text, len(text))
			}
		})
	}
}
