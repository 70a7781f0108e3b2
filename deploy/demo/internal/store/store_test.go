package store

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"
)

func TestTheStoreIsBounded(t *testing.T) {
	s := New()
	for i := range keptOrders + 10 {
		s.Put(Record{Order: strconv.Itoa(i), State: "paid", TotalCents: 2})
	}
	if cents, kept := s.Balance(); cents != 2*(keptOrders+10) || kept != keptOrders {
		t.Errorf("%d cents, %d kept", cents, kept)
	}
	if _, err := s.Get("9"); !errors.Is(err, ErrUnknown) {
		t.Errorf("the tenth order is still there: %v", err)
	}
	if record, err := s.Get("10"); err != nil || record.State != "paid" {
		t.Errorf("%+v, %v", record, err)
	}
	if len(s.entries) > keptEntries || len(s.oldest) > keptOrders {
		t.Errorf("%d entries, %d names", len(s.entries), len(s.oldest))
	}
}

func TestTheStockIsFilledUp(t *testing.T) {
	s := New()
	if left := s.Take("tea", 3*fullShelf); left != 0 {
		t.Errorf("%d left", left)
	}
	if left := s.Take("tea", 1); left != fullShelf-1 || s.Stock()["tea"] != left {
		t.Errorf("%d left, %v", left, s.Stock())
	}
}

func TestLocksAreHeldAndGivenBack(t *testing.T) {
	for name, hold := range map[string]func(*Store, context.Context){
		"held":     func(s *Store, ctx context.Context) { s.Hold(ctx, 0) },
		"deadlock": (*Store).Deadlock,
	} {
		s := New()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); hold(s, ctx) }()
		deadline := time.Now().Add(10 * time.Second)
		for s.Probe(20*time.Millisecond) == nil && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if s.Probe(50*time.Millisecond) == nil {
			t.Errorf("%s: the store can be used", name)
		}
		cancel()
		<-done
		if err := s.Probe(time.Second); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s.Put(Record{Order: "1"})
	}
}
