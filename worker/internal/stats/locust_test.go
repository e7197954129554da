package stats_test

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"upsurge/worker/internal/stats"
)

// bucketsMap also checks the order and Len.
func bucketsMap(t *testing.T, buckets *stats.LocustBuckets) map[int64]int64 {
	t.Helper()
	counts := map[int64]int64{}
	before := int64(-1)
	for bucket := range buckets.All() {
		if bucket.Millis <= before {
			t.Errorf("bucket %d comes after %d", bucket.Millis, before)
		}
		before = bucket.Millis
		counts[bucket.Millis] = bucket.Count
	}
	if buckets.Len() != len(counts) {
		t.Errorf("Len() = %d, All gives %d", buckets.Len(), len(counts))
	}
	return counts
}

// floatBucket is Locust's rounding in floating point, an independent way to
// the same number: the golden table tells whether both are Python's.
func floatBucket(latency time.Duration) int64 {
	millis := stats.Millis(latency)
	unit := 1000.0
	switch {
	case millis < 100:
		unit = 1
	case millis < 1000:
		unit = 10
	case millis < 10000:
		unit = 100
	}
	return int64(math.RoundToEven(millis/unit) * unit)
}

// bucketOf records one latency and returns its bucket.
func bucketOf(t *testing.T, shard *stats.Shard, latency time.Duration) int64 {
	t.Helper()
	shard.Success(shard.Row("GET", "/"), 0, latency, 0)
	block := shard.Swap()
	report := stats.Report{}
	report.Add(block)
	shard.Recycle(block)
	found := int64(-1)
	for bucket := range onlyRow(t, &report).LocustBuckets.All() {
		if found >= 0 || bucket.Count != 1 {
			t.Fatalf("%v makes more than one count", latency)
		}
		found = bucket.Millis
	}
	return found
}

func TestBucketsArePythonsRounding(t *testing.T) {
	file, err := os.Open("testdata/rounding.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	table, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(table) < 3000 {
		t.Fatalf("the table has %d lines only", len(table))
	}
	shard := stats.NewShard(nil)
	for _, line := range table {
		nanos, err := strconv.ParseInt(line[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		want, err := strconv.ParseInt(line[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		latency := time.Duration(nanos)
		if got := bucketOf(t, shard, latency); got != want {
			t.Errorf("%v is in bucket %d, Python says %d", latency, got, want)
		}
		if got := floatBucket(latency); got != want {
			t.Errorf("the tests' own rounding puts %v in bucket %d, Python says %d", latency, got, want)
		}
	}
}

func TestBucketsClampToTheHistogramsRange(t *testing.T) {
	shard := stats.NewShard(nil)
	for _, latency := range []time.Duration{stats.MaxLatency, stats.MaxLatency + 1, 2 * time.Hour, math.MaxInt64} {
		if got := bucketOf(t, shard, latency); got != 4_295_000 {
			t.Errorf("%v is in bucket %d, want 4295000", latency, got)
		}
	}
}

func TestBucketsStopWhenTheReaderStops(t *testing.T) {
	shard := stats.NewShard(nil)
	row := shard.Row("GET", "/")
	shard.Success(row, 0, time.Millisecond, 0)
	shard.Success(row, 0, time.Second, 0)
	for bucket := range onlyRow(t, reportOf(shard)).LocustBuckets.All() {
		if bucket.Millis != 1 {
			t.Errorf("the first bucket is %d, want 1", bucket.Millis)
		}
		break
	}
}
