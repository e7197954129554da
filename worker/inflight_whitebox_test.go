package worker

import (
	"testing"
	"time"

	"upsurge/worker/internal/stats"
	"upsurge/worker/user"
)

// reportOf is a report of that many requests.
func reportOf(t *testing.T, requests int) stats.Report {
	t.Helper()
	shard := stats.NewShard()
	row := shard.Row("GET", "/")
	for range requests {
		shard.Record(row, user.Sample{At: time.Second, Latency: time.Millisecond})
	}
	var report stats.Report
	block := shard.Swap()
	report.Add(block)
	return report
}
