// Package trace carries what belongs to one request from the first caller to the last service.
package trace

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"

	"github.com/nats-io/nats.go"
)

// Names of the headers, over NATS as over HTTP.
const (
	RequestID   = "X-Request-Id"
	Traceparent = "traceparent"
	Tenant      = "X-Tenant"
	User        = "X-User"
)

const longestID = 128

var traceparent = regexp.MustCompile(`^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$`)

// Trace is one request on its way.
type Trace struct {
	RequestID string
	TraceID   string
	Tenant    string
	User      string
}

// From reads a trace from headers; ids that are missing or unusable are made.
func From(get func(string) string) Trace {
	t := Trace{RequestID: bounded(get(RequestID)), Tenant: bounded(get(Tenant)), User: bounded(get(User))}
	if parts := traceparent.FindStringSubmatch(get(Traceparent)); parts != nil {
		t.TraceID = parts[1]
	}
	if t.RequestID == "" {
		t.RequestID = random(16)
	}
	if t.TraceID == "" {
		t.TraceID = random(16)
	}
	return t
}

// Header is what the next service is sent: the same trace, a new span.
func (t Trace) Header() nats.Header {
	header := nats.Header{}
	header.Set(RequestID, t.RequestID)
	header.Set(Traceparent, "00-"+t.TraceID+"-"+random(8)+"-01")
	if t.Tenant != "" {
		header.Set(Tenant, t.Tenant)
	}
	if t.User != "" {
		header.Set(User, t.User)
	}
	return header
}

// Fields are what a log line about this request carries.
func (t Trace) Fields() []any {
	fields := []any{"request_id", t.RequestID, "trace_id", t.TraceID}
	if t.Tenant != "" {
		fields = append(fields, "tenant", t.Tenant)
	}
	if t.User != "" {
		fields = append(fields, "user", t.User)
	}
	return fields
}

func bounded(value string) string {
	if len(value) > longestID {
		return value[:longestID]
	}
	return value
}

func random(bytes int) string {
	id := make([]byte, bytes)
	_, _ = rand.Read(id) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(id)
}
