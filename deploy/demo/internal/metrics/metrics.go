package metrics

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Metrics are all numbers of one service.
type Metrics struct {
	mu         sync.Mutex
	operations map[string]*operation
	counters   map[string]*atomic.Uint64
	gauges     map[string]func() float64
}

type operation struct {
	requests, errors atomic.Uint64
	took             Histogram
}

// New makes metrics that count nothing yet.
func New() *Metrics {
	return &Metrics{
		operations: map[string]*operation{}, counters: map[string]*atomic.Uint64{}, gauges: map[string]func() float64{},
	}
}

// Done counts one operation that was performed.
func (m *Metrics) Done(name string, took time.Duration, failed bool) {
	o := m.operation(name)
	o.requests.Add(1)
	if failed {
		o.errors.Add(1)
	}
	o.took.Observe(took)
}

// Counter gives the counter of a series, such as `orders_total{state="paid"}`.
func (m *Metrics) Counter(series string) *atomic.Uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counters[series] == nil {
		m.counters[series] = &atomic.Uint64{}
	}
	return m.counters[series]
}

// Gauge has a number read whenever somebody asks; the series must not belong to a counter's family.
func (m *Metrics) Gauge(series string, read func() float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gauges[series] = read
}

// Totals gives all requests, and how many of them failed.
func (m *Metrics) Totals() (requests, errors uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.operations {
		requests += o.requests.Load()
		errors += o.errors.Load()
	}
	return requests, errors
}

// Write tells everything.
func (m *Metrics) Write(out io.Writer) {
	writeRuntime(out)
	m.mu.Lock()
	operations, counters, gauges := maps.Clone(m.operations), maps.Clone(m.counters), maps.Clone(m.gauges)
	m.mu.Unlock()
	names := slices.Sorted(maps.Keys(operations))
	kind(out, "demo_requests_total", "counter")
	for _, name := range names {
		fmt.Fprintf(out, "demo_requests_total{operation=%q} %d\n", name, operations[name].requests.Load())
	}
	kind(out, "demo_errors_total", "counter")
	for _, name := range names {
		fmt.Fprintf(out, "demo_errors_total{operation=%q} %d\n", name, operations[name].errors.Load())
	}
	kind(out, "demo_request_duration_seconds", "histogram")
	for _, name := range names {
		operations[name].took.Write(out, "demo_request_duration_seconds", fmt.Sprintf("operation=%q", name))
	}
	writeFamilies(out, "counter", slices.Sorted(maps.Keys(counters)), func(series string) float64 {
		return float64(counters[series].Load())
	})
	writeFamilies(out, "gauge", slices.Sorted(maps.Keys(gauges)), func(series string) float64 { return gauges[series]() })
}

func (m *Metrics) operation(name string) *operation {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.operations[name] == nil {
		m.operations[name] = &operation{}
	}
	return m.operations[name]
}

func writeRuntime(out io.Writer) {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	for _, line := range []struct {
		name, kind string
		value      float64
	}{
		{"go_goroutines", "gauge", float64(runtime.NumGoroutine())},
		{"go_gomaxprocs", "gauge", float64(runtime.GOMAXPROCS(0))},
		{"go_heap_alloc_bytes", "gauge", float64(memory.HeapAlloc)},
		{"go_heap_sys_bytes", "gauge", float64(memory.HeapSys)},
		{"go_alloc_bytes_total", "counter", float64(memory.TotalAlloc)},
		{"go_gc_cycles_total", "counter", float64(memory.NumGC)},
		{"go_gc_pause_seconds_total", "counter", time.Duration(memory.PauseTotalNs).Seconds()},
	} {
		kind(out, line.name, line.kind)
		fmt.Fprintf(out, "%s %s\n", line.name, decimal(line.value))
	}
}

func writeFamilies(out io.Writer, what string, series []string, read func(string) float64) {
	last := ""
	for _, one := range series {
		if family, _, _ := strings.Cut(one, "{"); family != last {
			kind(out, family, what)
			last = family
		}
		fmt.Fprintf(out, "%s %s\n", one, decimal(read(one)))
	}
}

func kind(out io.Writer, family, what string) {
	fmt.Fprintf(out, "# TYPE %s %s\n", family, what)
}
