// Package store keeps orders, charges and stock in memory, behind one lock, with a journal behind another.
package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	keptOrders  = 1000
	keptEntries = 1000
	fullShelf   = 1000
	look        = 5 * time.Millisecond
)

// ErrUnknown means that there is no such order, or no longer.
var ErrUnknown = errors.New("unknown order")

// Record is what is kept of one order.
type Record struct {
	Order      string `json:"order"`
	State      string `json:"state"`
	TotalCents int    `json:"total_cents"`
}

// Store is bounded: the oldest orders and entries go first. Locks are taken in the order shelf, journal.
type Store struct {
	shelf   sync.Mutex
	orders  map[string]Record
	oldest  []string
	balance int
	stock   map[string]int

	journal sync.Mutex
	entries []string
}

// New makes an empty store.
func New() *Store {
	return &Store{orders: map[string]Record{}, stock: map[string]int{}}
}

// Put keeps an order and adds its total to the balance.
func (s *Store) Put(record Record) {
	s.shelf.Lock()
	defer s.shelf.Unlock()
	if _, known := s.orders[record.Order]; !known {
		s.oldest = append(s.oldest, record.Order)
	}
	s.orders[record.Order] = record
	s.balance += record.TotalCents
	if len(s.oldest) > keptOrders {
		delete(s.orders, s.oldest[0])
		s.oldest = append(s.oldest[:0], s.oldest[1:]...)
	}
	s.note(record.Order + " " + record.State)
}

// Get finds an order.
func (s *Store) Get(order string) (Record, error) {
	s.shelf.Lock()
	defer s.shelf.Unlock()
	record, known := s.orders[order]
	if !known {
		return Record{Order: order}, ErrUnknown
	}
	return record, nil
}

// Balance is the sum of all totals, and of how many orders are kept.
func (s *Store) Balance() (cents, kept int) {
	s.shelf.Lock()
	defer s.shelf.Unlock()
	return s.balance, len(s.orders)
}

// Take removes from the stock, which is filled up when it would run out, and returns what is left.
func (s *Store) Take(sku string, quantity int) (left int) {
	s.shelf.Lock()
	defer s.shelf.Unlock()
	if s.stock[sku] < quantity {
		s.stock[sku] += max(fullShelf, quantity)
		s.note(sku + " filled up")
	}
	s.stock[sku] -= quantity
	return s.stock[sku]
}

// Stock is a copy of what is there.
func (s *Store) Stock() map[string]int {
	s.shelf.Lock()
	defer s.shelf.Unlock()
	stock := make(map[string]int, len(s.stock))
	for sku, quantity := range s.stock {
		stock[sku] = quantity
	}
	return stock
}

// Probe tells whether the store can be used within a time: its locks are taken and given back.
func (s *Store) Probe(within time.Duration) error {
	deadline := time.Now().Add(within)
	for _, lock := range []*sync.Mutex{&s.shelf, &s.journal} {
		for !lock.TryLock() {
			if time.Now().After(deadline) {
				return errors.New("the store has been locked for " + within.String())
			}
			time.Sleep(look)
		}
		lock.Unlock()
	}
	return nil
}

// note must be called with the shelf locked.
func (s *Store) note(entry string) {
	s.journal.Lock()
	defer s.journal.Unlock()
	s.entries = append(s.entries, entry)
	if len(s.entries) > keptEntries {
		s.entries = append(s.entries[:0], s.entries[1:]...)
	}
}

// Hold keeps everybody from the store until the context ends: all the time, or for a while again and again.
func (s *Store) Hold(ctx context.Context, each time.Duration) {
	for ctx.Err() == nil {
		s.holdOnce(ctx, each)
		time.Sleep(look)
	}
}

func (s *Store) holdOnce(ctx context.Context, each time.Duration) {
	s.shelf.Lock()
	defer s.shelf.Unlock()
	if each == 0 {
		<-ctx.Done()
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(each):
	}
}
