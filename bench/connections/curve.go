//go:build linux

package main

import (
	"math"
	"time"
)

// curve is how the number of connections grew.
type curve struct {
	at     []time.Duration
	counts []int
}

func (c *curve) add(at time.Duration, count int) {
	c.at, c.counts = append(c.at, at), append(c.counts, count)
}

func (c *curve) last() int {
	if len(c.counts) == 0 {
		return 0
	}
	return c.counts[len(c.counts)-1]
}

// count is the number at a moment, interpolated between the samples.
func (c *curve) count(at time.Duration) float64 {
	for i := 1; i < len(c.at); i++ {
		if c.at[i] >= at {
			share := float64(at-c.at[i-1]) / float64(c.at[i]-c.at[i-1])
			return float64(c.counts[i-1]) + math.Max(share, 0)*float64(c.counts[i]-c.counts[i-1])
		}
	}
	return float64(c.last())
}

// rampFigures are what the ramp was like.
type rampFigures struct {
	Seconds          float64   `json:"seconds"`
	Rates            []float64 `json:"connections_each_second"`
	WorstPercent     float64   `json:"worst_second_deviation_percent"` // of the asked rate, signed
	WorstSecond      int       `json:"worst_second"`                   // from 0
	MasterCPUPercent float64   `json:"master_cpu_percent"`
	began            time.Time
}

// judge compares each whole second, from the first connection on, with the
// asked rate. The last second is left out where it is not whole.
func (c *curve) judge(rate float64) rampFigures {
	var f rampFigures
	first := -1
	for i, count := range c.counts {
		if count > 0 {
			first = max(i-1, 0)
			break
		}
	}
	if first < 0 {
		return f
	}
	begin, end := c.at[first], c.at[len(c.at)-1]
	f.Seconds = (end - begin).Seconds()
	for second := 0; begin+time.Duration(second+1)*time.Second <= end; second++ {
		from := begin + time.Duration(second)*time.Second
		got := c.count(from+time.Second) - c.count(from)
		f.Rates = append(f.Rates, math.Round(got))
		if deviation := 100 * (got - rate) / rate; math.Abs(deviation) > math.Abs(f.WorstPercent) {
			f.WorstPercent, f.WorstSecond = deviation, second
		}
	}
	return f
}
