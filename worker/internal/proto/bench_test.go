package proto_test

import (
	"fmt"
	"testing"

	"upsurge/worker/internal/proto"
)

// BenchmarkStats encodes a report of 10 rows with 100 buckets each, into a
// buffer that is used again.
func BenchmarkStats(b *testing.B) {
	m := busyStats()
	m.Errors = m.Errors[:1]
	m.Entries = nil
	for row := range 10 {
		entry := m.Total
		entry.Name = fmt.Sprintf("/row/%d", row)
		entry.ResponseTimes = nil
		for bucket := range 100 {
			entry.ResponseTimes = append(entry.ResponseTimes, proto.Bucket{Millis: int64(bucket * 10), Count: int64(bucket * 1000)})
		}
		m.Entries = append(m.Entries, entry)
	}
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buffer, err = m.Append(buffer[:0], node); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buffer)))
}

func BenchmarkHeartbeat(b *testing.B) {
	var m proto.Report = proto.WorkerHeartbeat{State: proto.StateRunning, CPUPercent: 50.04, MemoryBytes: 1 << 30}
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buffer, err = m.Append(buffer[:0], node); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeSpawn(b *testing.B) {
	message := captured(b, "2.47.0/spawn_0.msgpack")["2.47.0/spawn_0.msgpack"]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := proto.Decode(message); err != nil {
			b.Fatal(err)
		}
	}
}
