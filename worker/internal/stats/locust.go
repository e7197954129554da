package stats

import (
	"iter"
	"time"
)

// bucketPages: the index of the bucket of MaxLatency, 270+4295, is in the
// fifth page.
const bucketPages = 5

// LocustBuckets is a distribution in the buckets of Locust's response_times:
// milliseconds below 100 ms, tens below 1 s, hundreds below 10 s, whole
// seconds above (https://docs.locust.io, locust/stats.py,
// bucket_response_time). The rounding is Python's: a half goes to the even
// neighbour, so 145 ms is 140. It is done on the exact latency, which the
// histogram no longer knows. The first page has the buckets up to 753 s; the
// other pages are only taken by slower samples. The zero value is empty.
type LocustBuckets struct {
	pages [bucketPages]*page
}

// LocustBucket is one key and value of response_times.
type LocustBucket struct {
	Millis int64
	Count  int64
}

// bucketIndex numbers the bucket of a latency from 0 to MaxLatency. The unit
// follows from the latency before it is rounded, and rounding may carry over
// into the next range (99.6 ms is 100, 999.7 ms is 1000): the formulas of
// neighbouring ranges meet there (90+100/10 is 100).
func bucketIndex(latency time.Duration) uint64 {
	switch nanos := uint64(latency); {
	case nanos < uint64(100*time.Millisecond):
		return divideHalfEven(nanos, uint64(time.Millisecond))
	case nanos < uint64(time.Second):
		return 90 + divideHalfEven(nanos, uint64(10*time.Millisecond))
	case nanos < uint64(10*time.Second):
		return 180 + divideHalfEven(nanos, uint64(100*time.Millisecond))
	default:
		return 270 + divideHalfEven(nanos, uint64(time.Second))
	}
}

// divideHalfEven rounds the quotient to the nearest whole number, halves to
// the even one. The units are constants at each call, so that no division is
// left when it is inlined.
func divideHalfEven(value, unit uint64) uint64 {
	quotient := value / unit
	twice := (value - quotient*unit) * 2
	if twice > unit || twice == unit && quotient&1 == 1 {
		quotient++
	}
	return quotient
}

// bucketMillis is the key in response_times of the bucket of that number.
func bucketMillis(index int) int64 {
	switch n := int64(index); {
	case n < 100:
		return n
	case n < 190:
		return (n - 90) * 10
	case n < 280:
		return (n - 180) * 100
	default:
		return (n - 270) * 1000
	}
}

// Merge adds every count of other.
func (b *LocustBuckets) Merge(other *LocustBuckets) { addPages(b.pages[:], other.pages[:]) }

// All gives the buckets that have a count, in ascending order. The sum of
// the counts is the row's Count less its NoneCount.
func (b *LocustBuckets) All() iter.Seq[LocustBucket] {
	return func(yield func(LocustBucket) bool) {
		for i, p := range b.pages {
			if p == nil {
				continue
			}
			for k, n := range p {
				if n != 0 && !yield(LocustBucket{Millis: bucketMillis(i*pageSize + k), Count: n}) {
					return
				}
			}
		}
	}
}

// Len is the number of buckets that All gives.
func (b *LocustBuckets) Len() int {
	length := 0
	for range b.All() {
		length++
	}
	return length
}
