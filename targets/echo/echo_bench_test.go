package echo_test

import (
	"io"
	"testing"
)

func TestRoundTripAllocatesNothing(t *testing.T) {
	server, _ := start(t, 1)
	c := dial(t, server)
	message, got := []byte("sixteen bytes..."), make([]byte, 16)
	trip := func() {
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
	}
	trip()
	// Counts what the server's goroutines allocate as well.
	if allocations := testing.AllocsPerRun(200, trip); allocations >= 1 && !portable {
		t.Errorf("%v allocations for a round trip, want none", allocations)
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	server, _ := start(b, 1)
	c := dial(b, server)
	message, got := []byte("sixteen bytes..."), make([]byte, 16)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(message); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, got); err != nil {
			b.Fatal(err)
		}
	}
}
