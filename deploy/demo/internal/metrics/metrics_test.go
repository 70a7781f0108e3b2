package metrics

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestBucketsAddUp(t *testing.T) {
	var h Histogram
	for _, took := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 300 * time.Millisecond, time.Minute} {
		h.Observe(took)
	}
	var out bytes.Buffer
	h.Write(&out, "t", `operation="x"`)
	for _, line := range []string{
		`t_bucket{operation="x",le="0.001"} 2`,
		`t_bucket{operation="x",le="0.0025"} 3`,
		`t_bucket{operation="x",le="0.25"} 3`,
		`t_bucket{operation="x",le="0.5"} 4`,
		`t_bucket{operation="x",le="10"} 4`,
		`t_bucket{operation="x",le="+Inf"} 5`,
		`t_sum{operation="x"} 60.302000001`,
		`t_count{operation="x"} 5`,
	} {
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("no %s in\n%s", line, out.String())
		}
	}
}

func TestEveryFamilyIsDeclaredOnce(t *testing.T) {
	m := New()
	m.Done("create", time.Millisecond, false)
	m.Done("create", time.Millisecond, true)
	m.Counter(`orders_total{state="paid"}`).Add(2)
	m.Counter(`orders_total{state="failed"}`).Add(1)
	m.Gauge("stock_items", func() float64 { return 2.5 })
	if requests, errors := m.Totals(); requests != 2 || errors != 1 {
		t.Errorf("%d requests, %d errors", requests, errors)
	}
	var out bytes.Buffer
	m.Write(&out)
	for _, line := range []string{
		"# TYPE orders_total counter\norders_total{state=\"failed\"} 1\norders_total{state=\"paid\"} 2\n",
		"# TYPE stock_items gauge\nstock_items 2.5\n",
		"demo_requests_total{operation=\"create\"} 2\n",
		"demo_errors_total{operation=\"create\"} 1\n",
		"# TYPE go_goroutines gauge\ngo_goroutines ",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in\n%s", line, out.String())
		}
	}
	declared := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "# TYPE") {
			if declared[line] {
				t.Errorf("twice: %s", line)
			}
			declared[line] = true
		}
	}
}
