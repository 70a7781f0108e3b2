package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"
)

func TestALineHasTheFieldsThatReadersKnow(t *testing.T) {
	var out bytes.Buffer
	log := New(&out, "orders", "i1", "1.2.3").With("component", "handler", "request_id", "r1")
	log.Error("order failed", Operation("create", 1500*time.Microsecond, errors.New("no\nluck"))...)
	var line map[string]string
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
		t.Fatalf("%v in %q", err, out.String())
	}
	if at, err := time.Parse(time.RFC3339Nano, line["timestamp"]); err != nil || time.Since(at) > time.Minute {
		t.Errorf("timestamp %q: %v", line["timestamp"], err)
	}
	delete(line, "timestamp")
	want := map[string]string{
		"level": "error", "service": "orders", "instance": "i1", "version": "1.2.3", "request_id": "r1",
		"message": "order failed", "error": "no\nluck", "duration": "1.5ms", "component": "handler", "operation": "create",
	}
	if len(line) != len(want) {
		t.Errorf("got %v", line)
	}
	for key, value := range want {
		if line[key] != value {
			t.Errorf("%s: %q, want %q", key, line[key], value)
		}
	}
}
