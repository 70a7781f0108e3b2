// Command orders takes orders: inventory puts the items aside, payments charges them, and an event tells of it.
package main

import (
	"context"
	"errors"
	"time"

	"diagmesh.test/demo/internal/config"
	"diagmesh.test/demo/internal/link"
	"diagmesh.test/demo/internal/load"
	"diagmesh.test/demo/internal/service"
	"diagmesh.test/demo/internal/shop"
	"diagmesh.test/demo/internal/store"
)

// askTime is short enough that the caller of orders hears of a failure before it gives up itself.
const askTime = 700 * time.Millisecond

type orders struct {
	*service.Service
	events *events
}

func main() {
	service.Main(config.Orders, func(s *service.Service) error {
		events, err := newEvents(s)
		if err != nil {
			return err
		}
		o := &orders{s, events}
		if s.Config.Rate > 0 {
			s.Job(func(ctx context.Context) { load.New(s.Conn, s.Log).Run(ctx, s.Config.Rate) })
		}
		return errors.Join(s.Handle("create", shop.Create, o.create), s.Handle("get", shop.Get, o.get))
	})
}

func (o *orders) create(ctx context.Context, call service.Call) (any, error) {
	var wish shop.OrderRequest
	if err := call.Read(&wish); err != nil {
		return nil, err
	}
	if len(wish.Items) == 0 {
		wish.Items = shop.RandomItems()
	}
	total, err := shop.Total(wish.Items)
	if err != nil {
		return nil, link.Fail(400, "%v", err)
	}
	event := shop.Event{Order: call.Trace.RequestID, State: shop.Paid, Items: wish.Items, TotalCents: total}
	failure := o.fulfil(ctx, call, event)
	if failure != nil {
		event.State = shop.Failed
	}
	o.Store.Put(store.Record{Order: event.Order, State: event.State, TotalCents: total})
	o.Metrics.Counter(`orders_total{state="` + event.State + `"}`).Add(1)
	reply := shop.OrderReply{Order: event.Order, State: event.State, TotalCents: total}
	reply.Event = o.events.tell(ctx, call, event)
	if _, on := o.Faults.On("wrong", "create"); on {
		reply.TotalCents += 1 + total/10
	}
	return reply, failure
}

func (o *orders) fulfil(ctx context.Context, call service.Call, event shop.Event) error {
	var put shop.ReserveReply
	reserve := shop.ReserveRequest{Order: event.Order, Items: event.Items}
	if err := o.ask(ctx, shop.Reserve, call, reserve, &put); err != nil {
		return err
	}
	if want := shop.Count(event.Items); put.Reserved != want {
		return link.Fail(502, "inventory/%s put %d pieces aside instead of %d", put.By, put.Reserved, want)
	}
	var paid shop.ChargeReply
	charge := shop.ChargeRequest{Order: event.Order, AmountCents: event.TotalCents}
	if err := o.ask(ctx, shop.Charge, call, charge, &paid); err != nil {
		return err
	}
	if paid.AmountCents != event.TotalCents {
		return link.Fail(502, "payments/%s charged %d cents instead of %d", paid.By, paid.AmountCents, event.TotalCents)
	}
	return nil
}

func (o *orders) ask(ctx context.Context, subject string, call service.Call, question, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return link.Ask(ctx, o.Conn, subject, call.Trace, question, answer)
}

func (o *orders) get(_ context.Context, call service.Call) (any, error) {
	var which shop.GetRequest
	if err := call.Read(&which); err != nil {
		return nil, err
	}
	record, err := o.Store.Get(which.Order)
	if err != nil {
		return nil, link.Fail(404, "%v %q", err, which.Order)
	}
	return shop.OrderReply{Order: record.Order, State: record.State, TotalCents: record.TotalCents}, nil
}
