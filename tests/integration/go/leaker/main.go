// Command leaker has what a leak profile and a dump must tell apart: goroutines that nothing can wake any more, workers
// that wait for work, and one lock that somebody keeps. It serves net/http/pprof and prints its address.
package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"sync"
)

type ledger struct {
	name    string
	lock    sync.RWMutex
	entries []string
}

func (l *ledger) Flush(disk <-chan struct{}) {
	l.lock.Lock()
	defer l.lock.Unlock()
	close(held)
	<-disk
	l.entries = nil
}

func (l *ledger) Read() int {
	l.lock.RLock()
	defer l.lock.RUnlock()
	return len(l.entries)
}

//go:noinline
func askForever() {
	answer := make(chan int)
	go func() { answer <- 1 }() // nobody receives: this one leaks
}

func work(jobs <-chan int) {
	for range jobs {
	}
}

var (
	jobs = make(chan int)
	disk = make(chan struct{})
	held = make(chan struct{})
	book = &ledger{name: "book"}
)

func main() {
	for range 30 {
		askForever()
	}
	for range 5 {
		go work(jobs)
	}
	go book.Flush(disk)
	<-held
	for range 25 {
		go book.Read()
	}
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(door.Addr())
	_ = http.Serve(door, nil)
}
