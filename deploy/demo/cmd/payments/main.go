// Command payments charges orders, and reads along what happens to them.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"diagmesh.test/demo/internal/config"
	"diagmesh.test/demo/internal/service"
	"diagmesh.test/demo/internal/shop"
	"diagmesh.test/demo/internal/store"
	"diagmesh.test/demo/internal/trace"
)

const (
	bankTime = 3 * time.Millisecond
	// Few, so that a slow reader is a slow consumer within seconds.
	unreadMessages = 128
	unreadBytes    = 1 << 20
)

type payments struct{ *service.Service }

func main() {
	service.Main(config.Payments, func(s *service.Service) error {
		p := &payments{s}
		return errors.Join(
			s.Handle("charge", shop.Charge, p.charge), s.Handle("balance", shop.Balance, p.balance), p.readAlong())
	})
}

func (p *payments) charge(_ context.Context, call service.Call) (any, error) {
	var wish shop.ChargeRequest
	if err := call.Read(&wish); err != nil {
		return nil, err
	}
	time.Sleep(bankTime)
	p.Store.Put(store.Record{Order: wish.Order, State: shop.Paid, TotalCents: wish.AmountCents})
	p.Metrics.Counter("payments_cents_total").Add(uint64(max(0, wish.AmountCents)))
	reply := shop.ChargeReply{Charged: true, By: p.Config.Instance, AmountCents: wish.AmountCents}
	if _, on := p.Faults.On("wrong", "charge"); on {
		reply.AmountCents += 1 + wish.AmountCents/10
	}
	return reply, nil
}

func (p *payments) balance(context.Context, service.Call) (any, error) {
	cents, kept := p.Store.Balance()
	return map[string]int{"balance_cents": cents, "orders": kept}, nil
}

// readAlong hears all events of orders on a plain subscription: what it is too slow for is lost.
func (p *payments) readAlong() error {
	sub, err := p.Conn.Subscribe(shop.Events, p.audit)
	if err != nil {
		return err
	}
	p.Metrics.Gauge(`nats_subscription_pending_messages{subject="`+shop.Events+`"}`, func() float64 {
		pending, _, err := sub.Pending()
		return known(pending, err)
	})
	p.Metrics.Gauge(`nats_subscription_dropped_messages{subject="`+shop.Events+`"}`, func() float64 {
		dropped, err := sub.Dropped()
		return known(dropped, err)
	})
	return sub.SetPendingLimits(unreadMessages, unreadBytes)
}

func (p *payments) audit(message *nats.Msg) {
	began, t := time.Now(), trace.From(message.Header.Get)
	p.Faults.Sleep("slow-subscribe", "")
	var event shop.Event
	err := json.Unmarshal(message.Data, &event)
	p.Done("subscription", "audit", t, time.Since(began), err)
}

// known is -1 for a number that cannot be read, as after the end of a subscription.
func known(count int, err error) float64 {
	if err != nil {
		return -1
	}
	return float64(count)
}
