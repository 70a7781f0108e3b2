// Package shop holds what the services tell each other.
package shop

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// Subjects of the requests, and of the events with the stream and the consumer that carry them.
const (
	Create  = "demo.orders.create"
	Get     = "demo.orders.get"
	Charge  = "demo.payments.charge"
	Balance = "demo.payments.balance"
	Reserve = "demo.inventory.reserve"
	Stock   = "demo.inventory.stock"

	Events       = "demo.events.order.*"
	OrderCreated = "demo.events.order.created"
	OrderFailed  = "demo.events.order.failed"
	NoStream     = "demo.nowhere.order.created"

	Stream   = "ORDERS"
	Consumer = "inventory"
)

// States of an order.
const (
	Paid   = "paid"
	Failed = "failed"
)

const mostItems = 100

var prices = map[string]int{"bread": 320, "cheese": 1250, "olives": 480, "tea": 760}

var skus = []string{"bread", "cheese", "olives", "tea"}

// Item is one line of an order.
type Item struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// OrderRequest asks for an order; without items, or with an empty body, the shop chooses.
type OrderRequest struct {
	Items []Item `json:"items,omitempty"`
}

// OrderReply tells what became of it. Event is "stored", "lost" or "off" (there is no stream).
type OrderReply struct {
	Order      string `json:"order"`
	State      string `json:"state"`
	TotalCents int    `json:"total_cents"`
	Event      string `json:"event,omitempty"`
}

// GetRequest asks for an order that was made.
type GetRequest struct {
	Order string `json:"order"`
}

// ChargeRequest asks payments for money.
type ChargeRequest struct {
	Order       string `json:"order"`
	AmountCents int    `json:"amount_cents"`
}

// ChargeReply tells what was charged.
type ChargeReply struct {
	Charged     bool   `json:"charged"`
	By          string `json:"by"`
	AmountCents int    `json:"amount_cents"`
}

// ReserveRequest asks inventory to put items aside.
type ReserveRequest struct {
	Order string `json:"order"`
	Items []Item `json:"items"`
}

// ReserveReply tells how many were put aside.
type ReserveReply struct {
	Reserved int    `json:"reserved"`
	By       string `json:"by"`
}

// Event is what happened to an order.
type Event struct {
	Order      string `json:"order"`
	State      string `json:"state"`
	Items      []Item `json:"items"`
	TotalCents int    `json:"total_cents"`
}

// RandomItems chooses one to three lines.
func RandomItems() []Item {
	items := make([]Item, 1+rand.IntN(3))
	for i := range items {
		items[i] = Item{SKU: skus[rand.IntN(len(skus))], Quantity: 1 + rand.IntN(3)}
	}
	return items
}

// Total is the price of all items.
func Total(items []Item) (cents int, err error) {
	if len(items) > mostItems {
		return 0, fmt.Errorf("%d items: at most %d", len(items), mostItems)
	}
	for _, item := range items {
		price, known := prices[item.SKU]
		if !known {
			return 0, fmt.Errorf("no %q here", item.SKU)
		}
		if item.Quantity < 1 || item.Quantity > 1000 {
			return 0, errors.New("a quantity is 1 to 1000")
		}
		cents += price * item.Quantity
	}
	return cents, nil
}

// Count is the number of pieces.
func Count(items []Item) (pieces int) {
	for _, item := range items {
		pieces += item.Quantity
	}
	return pieces
}
