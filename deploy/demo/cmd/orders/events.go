package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"diagmesh.test/demo/internal/faults"
	"diagmesh.test/demo/internal/link"
	"diagmesh.test/demo/internal/service"
	"diagmesh.test/demo/internal/shop"
	"diagmesh.test/demo/internal/trace"
)

const (
	apiTime      = 2 * time.Second
	publishTime  = 500 * time.Millisecond
	againAfter   = time.Second
	keepFor      = 10 * time.Minute
	keepMessages = 20_000
	keepBytes    = 16 << 20
	idWindow     = time.Minute
)

// What became of the event of an order.
const (
	stored = "stored"
	lost   = "lost"
	off    = "off"
)

// events writes what happens to orders into the stream. Without JetStream orders are taken all the same.
type events struct {
	s      *service.Service
	js     jetstream.JetStream
	log    *slog.Logger
	ready  atomic.Bool
	gone   chan struct{} // somebody has found the stream missing
	absent atomic.Pointer[string]
}

func newEvents(s *service.Service) (*events, error) {
	js, err := jetstream.New(s.Conn)
	if err != nil {
		return nil, err
	}
	e := &events{s: s, js: js, log: s.Log.With("component", "events"), gone: make(chan struct{}, 1)}
	e.say("not asked yet")
	s.Stream(e.state)
	s.Job(e.keepStream)
	s.Faults.Register("poison", e.poison)
	return e, nil
}

// keepStream makes the stream, and again if it is lost: it lives in the memory of the server, which may be another one
// after a reconnect.
func (e *events) keepStream(ctx context.Context) {
	ticker := time.NewTicker(againAfter)
	defer ticker.Stop()
	var seen uint64
	for {
		reconnects := e.s.Conn.Stats().Reconnects
		if e.s.Conn.IsConnected() && (!e.ready.Load() || reconnects != seen) {
			seen = reconnects
			e.makeStream(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-e.gone:
		}
	}
}

func (e *events) makeStream(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, apiTime)
	defer cancel()
	_, err := e.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: shop.Stream, Subjects: []string{shop.Events}, Storage: jetstream.MemoryStorage,
		MaxAge: keepFor, MaxMsgs: keepMessages, MaxBytes: keepBytes, Duplicates: idWindow,
	})
	e.ready.Store(err == nil)
	if err != nil {
		e.say("no stream: " + err.Error())
		return
	}
	e.say("")
}

// state is for /healthz.
func (e *events) state() string {
	if absent := *e.absent.Load(); absent != "" {
		return absent
	}
	return "ok"
}

// say notes how the stream is; every change is logged once.
func (e *events) say(absent string) {
	before := e.absent.Swap(&absent)
	switch {
	case before == nil || *before == absent:
	case absent == "":
		e.log.Info("events are stored", "operation", "stream")
	default:
		e.log.Warn("orders are taken, but their events are not stored", "operation", "stream", "error", absent)
	}
}

func (e *events) tell(ctx context.Context, call service.Call, event shop.Event) string {
	if !e.ready.Load() {
		return off
	}
	subject := shop.OrderCreated
	if event.State == shop.Failed {
		subject = shop.OrderFailed
	}
	_, nowhere := e.s.Faults.On("no-stream", "")
	if nowhere {
		subject = shop.NoStream
	}
	err := e.publish(ctx, subject, call.Trace, event)
	if err == nil {
		e.count(stored)
		return stored
	}
	e.count(lost)
	call.Log.Error("event lost", "component", "events", "operation", "publish", "subject", subject, "error", err.Error())
	if errors.Is(err, jetstream.ErrNoStreamResponse) && !nowhere {
		e.lookAgain("not stored: " + err.Error())
	}
	return lost
}

// lookAgain has the stream made at once; until then no order waits for it.
func (e *events) lookAgain(absent string) {
	if !e.ready.CompareAndSwap(true, false) {
		return
	}
	e.say(absent)
	select {
	case e.gone <- struct{}{}:
	default: // known already
	}
}

func (e *events) count(outcome string) {
	e.s.Metrics.Counter(`order_events_total{outcome="` + outcome + `"}`).Add(1)
}

func (e *events) publish(ctx context.Context, subject string, t trace.Trace, event shop.Event) error {
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	setting, twice := e.s.Faults.On("duplicates", "")
	ids := []string{event.Order}
	if twice {
		ids = map[string][]string{"new-id": {event.Order, event.Order + "-again"}, "no-id": {"", ""}}[setting.Mode]
	}
	// Time of its own: also that an order has failed, for lack of time, is to be told.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTime)
	defer cancel()
	for _, id := range ids {
		message := &nats.Msg{Subject: subject, Data: body, Header: t.Header()}
		if id != "" {
			message.Header.Set(jetstream.MsgIDHeader, id)
		}
		// No second try: an order must not wait for a stream that is not there.
		if _, err := e.js.PublishMsg(ctx, message, jetstream.WithRetryAttempts(0)); err != nil {
			return err
		}
	}
	return nil
}

// poison publishes one event that no consumer can read, and deletes it in the end.
func (e *events) poison(ctx context.Context, _ faults.Setting) error {
	t := trace.From(func(string) string { return "" })
	message := &nats.Msg{Subject: shop.OrderCreated, Header: t.Header()}
	message.Data = []byte(`{"order":"` + t.RequestID + `","items":"three"}`)
	asking, cancel := context.WithTimeout(ctx, apiTime)
	defer cancel()
	ack, err := e.js.PublishMsg(asking, message)
	if err != nil {
		return link.Fail(503, "poison not published: %v", err)
	}
	e.log.Warn("poison published", "operation", "publish", "sequence", ack.Sequence, "request_id", t.RequestID)
	<-ctx.Done()
	return e.remove(ack.Sequence)
}

func (e *events) remove(sequence uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), apiTime)
	defer cancel()
	stream, err := e.js.Stream(ctx, shop.Stream)
	if err != nil {
		return err
	}
	return stream.DeleteMsg(ctx, sequence)
}
