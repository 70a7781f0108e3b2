package faults

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// ErrNotAllowed is the answer of a program that was started without --allow-faults.
var ErrNotAllowed = errors.New("started without --allow-faults")

const revertWait = 5 * time.Second

// Effect makes a fault real until the context ends, and takes it back before it returns.
type Effect func(ctx context.Context, setting Setting) error

// Board holds the faults that are on. A fault without an effect is looked up by those whom it concerns.
type Board struct {
	service string
	allowed bool
	log     *slog.Logger
	ctx     context.Context
	end     context.CancelFunc

	doing   sync.Mutex // one order at a time
	mu      sync.RWMutex
	effects map[string]Effect
	on      map[string]*running
}

type running struct {
	setting Setting
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	until   time.Time
}

// Active is a fault that is on, as the answers tell it.
type Active struct {
	Fault     string  `json:"fault"`
	Amount    float64 `json:"amount"`
	Cap       float64 `json:"cap,omitempty"`
	Operation string  `json:"operation,omitempty"`
	Mode      string  `json:"mode,omitempty"`
	EndsInS   float64 `json:"ends_in_s"`
}

// NewBoard makes the switchboard of a service.
func NewBoard(service string, allowed bool, log *slog.Logger) *Board {
	ctx, end := context.WithCancel(context.Background())
	return &Board{
		service: service, allowed: allowed, log: log.With("component", "faults"), ctx: ctx, end: end,
		effects: map[string]Effect{}, on: map[string]*running{},
	}
}

// Register gives a fault its effect.
func (b *Board) Register(name string, effect Effect) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.effects[name] = effect
}

// Do obeys an order; a fault that is on already starts anew.
func (b *Board) Do(order Order) error {
	if order.Fault == "" {
		return nil
	}
	if !b.allowed {
		return ErrNotAllowed
	}
	spec, err := Find(b.service, order.Fault)
	if err != nil {
		return err
	}
	setting, err := spec.Check(order)
	if err != nil {
		return err
	}
	b.doing.Lock()
	defer b.doing.Unlock()
	b.turnOff(setting.Fault)
	if order.On == nil || *order.On {
		b.turnOn(setting)
	}
	return nil
}

// On tells whether a fault is on for an operation, and how it is set.
func (b *Board) On(name, operation string) (Setting, bool) {
	if run := b.find(name, operation); run != nil {
		return run.setting, true
	}
	return Setting{}, false
}

// Hits tells whether this time is one of the share that a fault is to hit.
func (b *Board) Hits(name, operation string) bool {
	setting, on := b.On(name, operation)
	return on && rand.Float64() < setting.Amount
}

// Sleep waits the milliseconds of a fault, less if the fault ends before; without the fault not at all.
func (b *Board) Sleep(name, operation string) {
	run := b.find(name, operation)
	if run == nil {
		return
	}
	select {
	case <-time.After(time.Duration(run.setting.Amount * float64(time.Millisecond))):
	case <-run.ctx.Done():
	}
}

// Active lists the faults that are on, by name.
func (b *Board) Active() []Active {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]Active, 0, len(b.on))
	for _, run := range b.on {
		s := run.setting
		left := max(0, time.Until(run.until)).Round(time.Millisecond).Seconds()
		list = append(list, Active{s.Fault, s.Amount, s.Cap, s.Operation, s.Mode, left})
	}
	slices.SortFunc(list, func(x, y Active) int { return cmp.Compare(x.Fault, y.Fault) })
	return list
}

// Close turns everything off.
func (b *Board) Close() {
	b.end()
	for _, active := range b.Active() {
		b.turnOff(active.Fault)
	}
}

func (b *Board) find(name, operation string) *running {
	b.mu.RLock()
	defer b.mu.RUnlock()
	run := b.on[name]
	if run == nil || run.ctx.Err() != nil || (run.setting.Operation != "" && run.setting.Operation != operation) {
		return nil
	}
	return run
}

func (b *Board) turnOn(setting Setting) {
	ctx, cancel := context.WithTimeout(b.ctx, setting.For)
	run := &running{setting: setting, ctx: ctx, cancel: cancel, done: make(chan struct{}), until: time.Now().Add(setting.For)}
	b.mu.Lock()
	effect := b.effects[setting.Fault]
	b.on[setting.Fault] = run
	b.mu.Unlock()
	b.log.Warn("fault on", "fault", setting.Fault, "amount", setting.Amount, "mode", setting.Mode, "for", setting.For.String())
	go b.run(run, effect)
}

func (b *Board) run(run *running, effect Effect) {
	defer close(run.done)
	defer run.cancel()
	if effect != nil {
		if err := effect(run.ctx, run.setting); err != nil {
			b.log.Error("fault without effect", "fault", run.setting.Fault, "error", err.Error())
		}
	} else {
		<-run.ctx.Done()
	}
	b.mu.Lock()
	if b.on[run.setting.Fault] == run {
		delete(b.on, run.setting.Fault)
	}
	b.mu.Unlock()
	b.log.Warn("fault off", "fault", run.setting.Fault)
}

// turnOff waits until the effect is taken back, so that the answer is true.
func (b *Board) turnOff(name string) {
	b.mu.RLock()
	run := b.on[name]
	b.mu.RUnlock()
	if run == nil {
		return
	}
	run.cancel()
	select {
	case <-run.done:
	case <-time.After(revertWait):
		b.log.Error("fault not taken back in time", "fault", name)
	}
}
