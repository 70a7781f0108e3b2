package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"diagmesh.test/demo/internal/faults"
	"diagmesh.test/demo/internal/service"
	"diagmesh.test/demo/internal/shop"
	"diagmesh.test/demo/internal/store"
	"diagmesh.test/demo/internal/trace"
)

const (
	apiTime    = 2 * time.Second
	againAfter = time.Second
	batch      = 8
	fetchTime  = time.Second
	retryAfter = 200 * time.Millisecond
)

// events books what the stream brings. Without JetStream the service answers requests all the same.
type events struct {
	s      *service.Service
	js     jetstream.JetStream
	log    *slog.Logger
	absent atomic.Pointer[string]

	mu   sync.Mutex
	held []jetstream.Msg // handled and not acknowledged, as a switch wants it
}

func consumeEvents(s *service.Service) error {
	js, err := jetstream.New(s.Conn)
	if err != nil {
		return err
	}
	e := &events{s: s, js: js, log: s.Log.With("component", "consumer")}
	e.say("not asked yet")
	s.Stream(e.state)
	s.Job(e.run)
	s.Faults.Register("stop-ack", e.release)
	s.Faults.Register("ack-late", e.release)
	return nil
}

// run finds the consumer and reads from it; whatever goes wrong, it begins again.
func (e *events) run(ctx context.Context) {
	for ctx.Err() == nil {
		if e.s.Conn.IsConnected() {
			e.readOn(ctx)
		}
		select {
		case <-ctx.Done():
		case <-time.After(againAfter):
		}
	}
}

func (e *events) readOn(ctx context.Context) {
	consumer, err := e.open(ctx)
	if err == nil {
		e.say("")
		err = e.read(ctx, consumer)
	}
	if err != nil && ctx.Err() == nil {
		e.say("no events: " + err.Error())
	}
}

func (e *events) open(ctx context.Context) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTime)
	defer cancel()
	return e.js.CreateOrUpdateConsumer(ctx, shop.Stream, jetstream.ConsumerConfig{
		Durable: shop.Consumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: e.s.Config.AckWait,
		MaxDeliver: e.s.Config.MaxDeliver, MaxAckPending: e.s.Config.MaxAckPending,
	})
}

func (e *events) read(ctx context.Context, consumer jetstream.Consumer) error {
	for ctx.Err() == nil {
		messages, err := consumer.Fetch(batch, jetstream.FetchMaxWait(fetchTime))
		if err != nil {
			return err
		}
		for message := range messages.Messages() {
			e.handle(message)
		}
		if err := messages.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			return err
		}
	}
	return nil
}

// state is for /healthz.
func (e *events) state() string {
	if absent := *e.absent.Load(); absent != "" {
		return absent
	}
	return "ok"
}

// say notes how the consumer is; every change is logged once.
func (e *events) say(absent string) {
	before := e.absent.Swap(&absent)
	switch {
	case before == nil || *before == absent:
	case absent == "":
		e.log.Info("events are booked", "operation", "consume")
	default:
		e.log.Warn("requests are answered, but no events are booked", "operation", "consume", "error", absent)
	}
}

func (e *events) handle(message jetstream.Msg) {
	began, t := time.Now(), trace.From(message.Headers().Get)
	err := e.book(message.Data())
	if err == nil {
		err = e.settle(message)
	} else if naked := message.NakWithDelay(retryAfter); naked != nil {
		err = errors.Join(err, naked)
	}
	e.s.Done("consumer", "book", t, time.Since(began), err)
}

func (e *events) book(body []byte) error {
	var event shop.Event
	if err := json.Unmarshal(body, &event); err != nil {
		return err
	}
	e.s.Store.Put(store.Record{Order: event.Order, State: event.State, TotalCents: event.TotalCents})
	e.s.Metrics.Counter("inventory_booked_total").Add(1)
	return nil
}

// settle acknowledges, unless a switch wants it otherwise.
func (e *events) settle(message jetstream.Msg) error {
	if _, on := e.s.Faults.On("nak-always", ""); on {
		return errors.Join(errors.New("sent back: the switch nak-always is on"), message.Nak())
	}
	_, never := e.s.Faults.On("stop-ack", "")
	setting, late := e.s.Faults.On("ack-late", "")
	switch {
	case never:
		e.hold(message)
	case late:
		e.hold(message)
		time.AfterFunc(e.lateness(setting), func() { e.ackOldest() })
	default:
		return message.Ack()
	}
	return nil
}

func (e *events) lateness(setting faults.Setting) time.Duration {
	if setting.Amount == 0 {
		return e.s.Config.AckWait * 3 / 2
	}
	return time.Duration(setting.Amount * float64(time.Millisecond))
}

func (e *events) hold(message jetstream.Msg) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held = append(e.held, message)
}

func (e *events) ackOldest() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.held) == 0 {
		return false
	}
	if err := e.held[0].Ack(); err != nil {
		e.log.Error("not acknowledged", "operation", "book", "error", err.Error())
	}
	e.held = e.held[1:]
	return true
}

// release acknowledges in the end what is still held; timers of ack-late then find nothing left.
func (e *events) release(ctx context.Context, _ faults.Setting) error {
	<-ctx.Done()
	for e.ackOldest() {
	}
	return nil
}
