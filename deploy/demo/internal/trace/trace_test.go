package trace

import (
	"strings"
	"testing"
)

func TestATraceGoesOnUnchangedInANewSpan(t *testing.T) {
	first := From(func(string) string { return "" })
	first.Tenant, first.User = "acme", "u1"
	sent := first.Header()
	second := From(sent.Get)
	if second != first {
		t.Errorf("%+v became %+v", first, second)
	}
	if again := second.Header(); again.Get(Traceparent) == sent.Get(Traceparent) {
		t.Errorf("the span is still %s", again.Get(Traceparent))
	}
}

func TestUnusableIDsAreReplacedOrCut(t *testing.T) {
	headers := map[string]string{Traceparent: "00-xyz-1-01", RequestID: strings.Repeat("r", 1000)}
	got := From(func(name string) string { return headers[name] })
	if len(got.TraceID) != 32 || len(got.RequestID) != longestID {
		t.Errorf("got %+v", got)
	}
}
