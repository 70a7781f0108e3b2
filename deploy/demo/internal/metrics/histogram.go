// Package metrics counts, and tells it in the text format of Prometheus.
package metrics

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"sync/atomic"
	"time"
)

// Bounds are the upper ends of the buckets, in seconds; whatever is longer falls into +Inf.
var Bounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// Histogram counts durations by size; its zero value is ready.
type Histogram struct {
	counts [len(Bounds) + 1]atomic.Uint64
	nanos  atomic.Int64
}

// Observe counts one duration.
func (h *Histogram) Observe(took time.Duration) {
	h.counts[bucket(took.Seconds())].Add(1)
	h.nanos.Add(int64(took))
}

// Write tells the histogram: cumulative buckets, sum in seconds, count. labels is `a="b",c="d"`, not empty.
func (h *Histogram) Write(out io.Writer, name, labels string) {
	var total uint64
	for i := range h.counts {
		total += h.counts[i].Load()
		fmt.Fprintf(out, "%s_bucket{%s,le=%q} %d\n", name, labels, end(i), total)
	}
	fmt.Fprintf(out, "%s_sum{%s} %s\n", name, labels, decimal(time.Duration(h.nanos.Load()).Seconds()))
	fmt.Fprintf(out, "%s_count{%s} %d\n", name, labels, total)
}

func bucket(seconds float64) int {
	for i, bound := range Bounds {
		if seconds <= bound {
			return i
		}
	}
	return len(Bounds)
}

func end(bucket int) string {
	if bucket == len(Bounds) {
		return "+Inf"
	}
	return decimal(Bounds[bucket])
}

func decimal(value float64) string {
	if math.IsInf(value, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(value, 'g', -1, 64)
}
