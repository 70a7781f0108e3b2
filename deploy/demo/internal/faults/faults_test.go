package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

func number(value float64) *float64 { return &value }

func no() *bool { value := false; return &value }

func TestAnOrderIsReadStrictly(t *testing.T) {
	order, err := ReadOrder([]byte(`{"fault":"slow","amount":5,"for_s":1.5,"operation":"create","on":false}`))
	if err != nil || order.Fault != "slow" || *order.Amount != 5 || *order.ForS != 1.5 || order.Operation != "create" || *order.On {
		t.Errorf("%+v, %v", order, err)
	}
	if order, err := ReadOrder([]byte(" \n")); err != nil || order != (Order{}) {
		t.Errorf("empty: %+v, %v", order, err)
	}
	for _, wrong := range []string{`{`, `[]`, `"slow"`, `{"falut":"slow"}`, `{"fault":"slow"} x`, `{"amount":"5"}`} {
		if _, err := ReadOrder([]byte(wrong)); err == nil {
			t.Errorf("%s was understood", wrong)
		}
	}
}

func TestAListFromTheEnvironment(t *testing.T) {
	orders, err := ReadList(" slow=400@30, spin,leak-memory@5 ,")
	if err != nil || len(orders) != 3 {
		t.Fatalf("%+v, %v", orders, err)
	}
	slow, spin, leak := orders[0], orders[1], orders[2]
	if *slow.Amount != 400 || *slow.ForS != 30 || spin.Amount != nil || *leak.ForS != 5 || leak.Fault != "leak-memory" {
		t.Errorf("%+v", orders)
	}
	for _, wrong := range []string{"slow=", "slow=x", "slow@soon", "slow@"} {
		if _, err := ReadList(wrong); err == nil {
			t.Errorf("%s was understood", wrong)
		}
	}
}

func TestAnOrderIsCompletedAndBounded(t *testing.T) {
	spec, err := Find("orders", "leak-goroutines")
	if err != nil {
		t.Fatal(err)
	}
	setting, err := spec.Check(Order{})
	if err != nil || setting.Amount != 50 || setting.Cap != 5000 || setting.For != UsualTime || setting.Mode != "held" {
		t.Errorf("%+v, %v", setting, err)
	}
	for says, order := range map[string]Order{
		"for_s":     {ForS: number(601)},
		"for_s 0":   {ForS: number(0)},
		"amount":    {Amount: number(-1)},
		"cap":       {Cap: number(1e9)},
		"mode":      {Mode: "new-id"},
		"operation": {Operation: "create"},
		"amount 1e": {Amount: number(1e9)},
	} {
		if _, err := spec.Check(order); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	deadlock, _ := Find("orders", "deadlock")
	if _, err := deadlock.Check(Order{Amount: number(1)}); err == nil {
		t.Error("deadlock takes no amount")
	}
}

func TestASwitchBelongsToItsService(t *testing.T) {
	if _, err := Find("orders", "stop-ack"); err == nil || !strings.Contains(err.Error(), "inventory") {
		t.Error(err)
	}
	if _, err := Find("orders", "fill-disk"); err == nil || !strings.Contains(err.Error(), "list") {
		t.Error(err)
	}
}

func TestTheCatalogueIsInOrderAndInTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, spec := range Catalogue {
		if seen[spec.Name] || spec.Does == "" || spec.Reverts == "" || spec.Finding == "" {
			t.Errorf("%s: twice, or without what it does, how it reverts or its finding", spec.Name)
		}
		seen[spec.Name] = true
		if spec.Usual < spec.Least || spec.Usual > spec.Most || spec.Cap > spec.CapMost || (spec.Unit == "") != (spec.Most == 0) {
			t.Errorf("%s: its bounds contradict each other", spec.Name)
		}
		if row := row(spec); !strings.Contains(string(readme), "\n"+row+"\n") {
			t.Errorf("the README lacks\n%s", row)
		}
	}
}

// row is the line of a switch in the table of the README.
func row(spec Spec) string {
	where := strings.Join(spec.Services, ", ")
	if where == "" {
		where = "each"
	}
	var takes []string
	if spec.Unit != "" {
		takes = append(takes, fmt.Sprintf("amount %g (%g to %g) %s", spec.Usual, spec.Least, spec.Most, spec.Unit))
	}
	if spec.Cap > 0 {
		takes = append(takes, fmt.Sprintf("cap %g (to %g) %s", spec.Cap, spec.CapMost, spec.CapUnit))
	}
	if len(spec.Modes) > 0 {
		takes = append(takes, "mode "+strings.Join(spec.Modes, " or "))
	}
	if spec.PerOperation {
		takes = append(takes, "operation")
	}
	cells := []string{"`" + spec.Name + "`", spec.Does, where, strings.Join(takes, "; "), spec.Reverts, spec.Finding}
	return "| " + strings.Join(cells, " | ") + " |"
}

func board(allowed bool) *Board { return NewBoard("orders", allowed, slog.New(slog.DiscardHandler)) }

func TestAFaultIsTakenBackBeforeTheAnswer(t *testing.T) {
	b := board(true)
	defer b.Close()
	var began, ended bool
	b.Register("spin", func(ctx context.Context, setting Setting) error {
		began = setting.Amount == 2
		<-ctx.Done()
		time.Sleep(20 * time.Millisecond)
		ended = true
		return nil
	})
	if err := b.Do(Order{Fault: "spin", Amount: number(2)}); err != nil {
		t.Fatal(err)
	}
	if _, on := b.On("spin", "create"); !on || len(b.Active()) != 1 {
		t.Error("it is not on")
	}
	if err := b.Do(Order{Fault: "spin", On: no()}); err != nil || !began || !ended || len(b.Active()) != 0 {
		t.Errorf("began %v, ended %v, %v, %v", began, ended, b.Active(), err)
	}
}

func TestAFaultEndsByItselfAndWakesWhomItKeptWaiting(t *testing.T) {
	b := board(true)
	defer b.Close()
	if err := b.Do(Order{Fault: "slow", Amount: number(9000), ForS: number(0.05), Operation: "create"}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	b.Sleep("slow", "get")
	if time.Since(began) > 40*time.Millisecond {
		t.Error("another operation was slow too")
	}
	b.Sleep("slow", "create")
	if took := time.Since(began); took < 30*time.Millisecond || took > 5*time.Second {
		t.Errorf("woke after %s", took)
	}
	if _, on := b.On("slow", "create"); on {
		t.Error("it is still on")
	}
}

func TestNothingHappensUnlessAllowed(t *testing.T) {
	b := board(false)
	if err := b.Do(Order{Fault: "slow"}); !errors.Is(err, ErrNotAllowed) || len(b.Active()) != 0 {
		t.Errorf("%v, %v", err, b.Active())
	}
	if err := b.Do(Order{}); err != nil {
		t.Error("asking what is on is always allowed")
	}
}
