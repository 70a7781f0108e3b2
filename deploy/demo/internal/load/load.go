// Package load makes orders at a steady rate, whether or not the last one is done, and checks what comes back.
package load

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"diagmesh.test/demo/internal/link"
	"diagmesh.test/demo/internal/logging"
	"diagmesh.test/demo/internal/shop"
	"diagmesh.test/demo/internal/trace"
)

const (
	mostInFlight = 64
	patience     = 2 * time.Second
	getEvery     = 5
)

// Load asks orders for orders.
type Load struct {
	conn *nats.Conn
	log  *slog.Logger
	last atomic.Value // the name of an order that was made

	Sent, Answered, Failed, Wrong, Skipped atomic.Uint64
}

// New makes a load that has not begun.
func New(conn *nats.Conn, log *slog.Logger) *Load {
	return &Load{conn: conn, log: log.With("component", "load")}
}

// Run makes perSecond requests until the context ends, never more than 64 at a time.
func (l *Load) Run(ctx context.Context, perSecond float64) {
	var inFlight sync.WaitGroup
	defer inFlight.Wait()
	room := make(chan struct{}, mostInFlight)
	due := time.Now()
	for n := 1; ; n++ {
		due = due.Add(time.Duration(rand.ExpFloat64() / perSecond * float64(time.Second)))
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(due)):
		}
		if !l.conn.IsConnected() {
			l.Skipped.Add(1)
			continue
		}
		select {
		case room <- struct{}{}:
			inFlight.Go(func() { l.one(n); <-room })
		default:
			l.Skipped.Add(1)
		}
	}
}

// Told sums up what was done.
func (l *Load) Told() []any {
	return []any{
		"sent", l.Sent.Load(), "answered", l.Answered.Load(), "failed", l.Failed.Load(), "wrong", l.Wrong.Load(),
		"skipped", l.Skipped.Load(),
	}
}

func (l *Load) one(n int) {
	t := trace.From(func(string) string { return "" })
	t.Tenant, t.User = fmt.Sprintf("tenant-%d", n%3+1), fmt.Sprintf("user-%d", n%17+1)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	l.Sent.Add(1)
	began := time.Now()
	operation, err := "create", error(nil)
	if order, known := l.last.Load().(string); known && n%getEvery == 0 {
		operation = "get"
		err = link.Ask(ctx, l.conn, shop.Get, t, shop.GetRequest{Order: order}, &shop.OrderReply{})
	} else {
		err = l.create(ctx, t)
	}
	fields := append(t.Fields(), logging.Operation("load-"+operation, time.Since(began), err)...)
	if err != nil {
		l.Failed.Add(1)
		l.log.Error(operation+" failed", fields...)
		return
	}
	l.Answered.Add(1)
	l.log.Info(operation+" answered", fields...)
}

func (l *Load) create(ctx context.Context, t trace.Trace) error {
	items := shop.RandomItems()
	want, err := shop.Total(items)
	if err != nil {
		return err
	}
	var made shop.OrderReply
	if err := link.Ask(ctx, l.conn, shop.Create, t, shop.OrderRequest{Items: items}, &made); err != nil {
		return err
	}
	if made.TotalCents != want {
		l.Wrong.Add(1)
		return fmt.Errorf("wrong total: %d cents instead of %d", made.TotalCents, want)
	}
	l.last.Store(made.Order)
	return nil
}
