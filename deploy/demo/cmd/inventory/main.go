// Command inventory puts items aside for orders, and books the events of orders from the stream.
package main

import (
	"context"
	"errors"

	"diagmesh.test/demo/internal/config"
	"diagmesh.test/demo/internal/link"
	"diagmesh.test/demo/internal/service"
	"diagmesh.test/demo/internal/shop"
)

type inventory struct{ *service.Service }

func main() {
	service.Main(config.Inventory, func(s *service.Service) error {
		i := &inventory{s}
		return errors.Join(
			s.Handle("reserve", shop.Reserve, i.reserve), s.Handle("stock", shop.Stock, i.stock), consumeEvents(s))
	})
}

func (i *inventory) reserve(_ context.Context, call service.Call) (any, error) {
	var wish shop.ReserveRequest
	if err := call.Read(&wish); err != nil {
		return nil, err
	}
	if _, err := shop.Total(wish.Items); err != nil {
		return nil, link.Fail(400, "%v", err)
	}
	for _, item := range wish.Items {
		i.Store.Take(item.SKU, item.Quantity)
	}
	reply := shop.ReserveReply{Reserved: shop.Count(wish.Items), By: i.Config.Instance}
	i.Metrics.Counter("inventory_pieces_total").Add(uint64(reply.Reserved))
	if _, on := i.Faults.On("wrong", "reserve"); on {
		reply.Reserved++
	}
	return reply, nil
}

func (i *inventory) stock(context.Context, service.Call) (any, error) { return i.Store.Stock(), nil }
