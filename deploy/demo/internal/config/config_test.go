package config

import (
	"io"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, service string, environment map[string]string, arguments ...string) (Config, error) {
	t.Helper()
	return Parse(service, arguments, func(name string) string { return environment[name] }, io.Discard)
}

func TestFlagsWinOverEnvironmentOverDefaults(t *testing.T) {
	environment := map[string]string{"DEMO_INSTANCE": "i7", "DEMO_NATS": "nats://a:1", "DEMO_ALLOW_FAULTS": "true"}
	c, err := parse(t, Inventory, environment, "--nats", "nats://b:2", "--ack-wait", "2s")
	if err != nil {
		t.Fatal(err)
	}
	if c.Instance != "i7" || c.NATS != "nats://b:2" || !c.AllowFaults || c.AckWait != 2*time.Second || c.MaxDeliver != 5 {
		t.Errorf("got %+v", c)
	}
}

func TestOnlyTheLoadMakesRequestsUnasked(t *testing.T) {
	for service, rate := range map[string]float64{Orders: 0, Load: 10} {
		if c, err := parse(t, service, nil); err != nil || c.Rate != rate {
			t.Errorf("%s: rate %g, %v", service, c.Rate, err)
		}
	}
}

func TestWhatIsRefusedIsNamed(t *testing.T) {
	for _, wrong := range []struct {
		service, says string
		arguments     []string
	}{
		{Orders, "--instance", []string{"--instance", "a.b"}},
		{Orders, "--version", []string{"--version", "new"}},
		{Orders, "--rate", []string{"--rate", "NaN"}},
		{Load, "--rate", []string{"--rate", "1001"}},
		{Load, "--for", []string{"--for", "-1s"}},
		{Payments, "--http-port", []string{"--http-port", "70000"}},
		{Payments, "--workers", []string{"--workers", "0"}},
		{Payments, "not defined", []string{"--rate", "1"}},
		{Payments, "unexpected", []string{"now"}},
		{Inventory, "--ack-wait", []string{"--ack-wait", "1ms"}},
		{Inventory, "--max-deliver", []string{"--max-deliver", "0"}},
		{Inventory, "--max-ack-pending", []string{"--max-ack-pending", "0"}},
	} {
		if _, err := parse(t, wrong.service, nil, wrong.arguments...); err == nil || !strings.Contains(err.Error(), wrong.says) {
			t.Errorf("%s %v: %v", wrong.service, wrong.arguments, err)
		}
	}
	_, err := parse(t, Orders, map[string]string{"DEMO_WORKERS": "many"})
	if err == nil || !strings.Contains(err.Error(), "DEMO_WORKERS") {
		t.Errorf("environment: %v", err)
	}
}
