package httpd_test

import (
	"io"
	"strings"
	"testing"
)

// BenchmarkRequests measures requests from one connection, one at a time and
// pipelined; the client is as raw as can be.
func BenchmarkRequests(b *testing.B) {
	cases := []struct {
		name  string
		depth int
	}{{name: "one at a time", depth: 1}, {name: "pipelined 16", depth: 16}}
	for _, bc := range cases {
		b.Run(bc.name, func(b *testing.B) {
			server, _ := start(b, 1)
			c := dial(b, server)
			requests := []byte(strings.Repeat(get("/"), bc.depth))
			if _, err := c.Write(requests[:len(get("/"))]); err != nil {
				b.Fatal(err)
			}
			responses := make([]byte, 64<<10)
			size, err := c.Read(responses)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(requests); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, responses[:size*bc.depth]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*bc.depth)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
