package store

import (
	"context"
	"sync"
)

// Deadlock has two goroutines take the locks in opposite order: neither gets its second one. When the context ends, the
// journal is taken away from its holder, who otherwise would hold it for ever; then both come to their end.
func (s *Store) Deadlock(ctx context.Context) {
	var first, both sync.WaitGroup
	first.Add(2)
	shelved, robbed := make(chan struct{}), make(chan struct{})
	both.Go(func() { s.bookThenCount(&first, shelved) })
	<-shelved // else somebody with the shelf might wait for the journal, and nobody could undo that
	both.Go(func() { s.countThenBook(&first, robbed) })
	first.Wait() // else the journal might not be held yet
	<-ctx.Done()
	close(robbed)
	s.journal.Unlock()
	both.Wait()
}

func (s *Store) bookThenCount(first *sync.WaitGroup, shelved chan<- struct{}) {
	s.shelf.Lock()
	defer s.shelf.Unlock()
	close(shelved)
	first.Done()
	first.Wait()
	s.journal.Lock()
	defer s.journal.Unlock()
}

func (s *Store) countThenBook(first *sync.WaitGroup, robbed <-chan struct{}) {
	s.journal.Lock()
	first.Done()
	first.Wait()
	s.shelf.Lock()
	defer s.shelf.Unlock()
	select {
	case <-robbed: // somebody else has unlocked the journal
	default:
		s.journal.Unlock()
	}
}
