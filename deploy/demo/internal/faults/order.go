package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Order is what somebody asks of the switchboard, as JSON.
type Order struct {
	Fault     string   `json:"fault,omitempty"`
	On        *bool    `json:"on,omitempty"` // missing: on
	ForS      *float64 `json:"for_s,omitempty"`
	Amount    *float64 `json:"amount,omitempty"`
	Cap       *float64 `json:"cap,omitempty"`
	Operation string   `json:"operation,omitempty"`
	Mode      string   `json:"mode,omitempty"`
	List      bool     `json:"list,omitempty"`
}

// Setting is an order that was understood.
type Setting struct {
	Fault     string
	Amount    float64
	Cap       float64
	Operation string // empty: every operation
	Mode      string
	For       time.Duration
}

// ReadOrder decodes an order; an empty body asks what is on.
func ReadOrder(body []byte) (Order, error) {
	var order Order
	if len(bytes.TrimSpace(body)) == 0 {
		return order, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&order); err != nil {
		return order, fmt.Errorf(`say {"fault": NAME, "on": true, "for_s": SECONDS, "amount": NUMBER} or {"list": true}: %w`, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return order, errors.New("one JSON object, and nothing after it")
	}
	return order, nil
}

// ReadList decodes NAME[=AMOUNT][@SECONDS],... as it comes from the environment.
func ReadList(text string) ([]Order, error) {
	var orders []Order
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		order, err := readWord(word)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", word, err)
		}
		orders = append(orders, order)
	}
	return orders, nil
}

func readWord(word string) (Order, error) {
	rest, seconds, hasSeconds := strings.Cut(word, "@")
	name, amount, hasAmount := strings.Cut(rest, "=")
	order := Order{Fault: name}
	for _, part := range []struct {
		given bool
		text  string
		into  **float64
	}{{hasSeconds, seconds, &order.ForS}, {hasAmount, amount, &order.Amount}} {
		if !part.given {
			continue
		}
		number, err := strconv.ParseFloat(part.text, 64)
		if err != nil {
			return order, err
		}
		*part.into = &number
	}
	return order, nil
}

// Find gives the description of a switch that the service has.
func Find(service, name string) (Spec, error) {
	for _, spec := range Catalogue {
		if spec.Name != name {
			continue
		}
		if len(spec.Services) > 0 && !slices.Contains(spec.Services, service) {
			return spec, fmt.Errorf("%s is a switch of %s, not of %s", name, strings.Join(spec.Services, ", "), service)
		}
		return spec, nil
	}
	return Spec{}, fmt.Errorf(`no switch %q: {"list": true} lists them`, name)
}

// Check completes an order with what is usual, and refuses what is out of bounds.
func (s Spec) Check(order Order) (Setting, error) {
	setting := Setting{Fault: s.Name, Amount: s.Usual, Cap: s.Cap, Operation: order.Operation, For: UsualTime}
	if order.ForS != nil {
		if !(*order.ForS > 0 && *order.ForS <= LongestTime.Seconds()) {
			return setting, fmt.Errorf("for_s %g: more than 0, at most %g", *order.ForS, LongestTime.Seconds())
		}
		setting.For = time.Duration(*order.ForS * float64(time.Second))
	}
	if order.Operation != "" && !s.PerOperation {
		return setting, fmt.Errorf("operation %q: %s concerns the whole process", order.Operation, s.Name)
	}
	if order.Amount != nil {
		if s.Unit == "" || !(*order.Amount >= s.Least && *order.Amount <= s.Most) {
			return setting, fmt.Errorf("amount %g: %s", *order.Amount, bounds(s.Unit, s.Least, s.Most))
		}
		setting.Amount = *order.Amount
	}
	if order.Cap != nil {
		if s.Cap == 0 || !(*order.Cap > 0 && *order.Cap <= s.CapMost) {
			return setting, fmt.Errorf("cap %g: %s", *order.Cap, bounds(s.CapUnit, 0, s.CapMost))
		}
		setting.Cap = *order.Cap
	}
	return s.checkMode(setting, order.Mode)
}

func (s Spec) checkMode(setting Setting, mode string) (Setting, error) {
	if mode == "" && len(s.Modes) > 0 {
		mode = s.Modes[0]
	}
	if mode != "" && !slices.Contains(s.Modes, mode) {
		return setting, fmt.Errorf("mode %q: %s has %q", mode, s.Name, s.Modes)
	}
	setting.Mode = mode
	return setting, nil
}

func bounds(unit string, least, most float64) string {
	if unit == "" {
		return "it takes none"
	}
	return fmt.Sprintf("%g to %g %s", least, most, unit)
}
