package harm

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"diagmesh.test/demo/internal/faults"
)

var errFull = errors.New("the cap is reached")

// LeakGoroutines starts amount goroutines every second that wait for ever, up to cap. In mode "held" they wait on a
// channel that is closed in the end; in mode "lost" on one that nobody else knows, so that they never end.
func LeakGoroutines(ctx context.Context, setting faults.Setting) error {
	var held chan struct{}
	if setting.Mode == "held" {
		held = make(chan struct{})
		defer close(held)
	}
	return grow(ctx, setting.Amount, setting.Cap, func() error {
		if held != nil {
			go awaitReply(held)
		} else {
			go awaitReply(make(chan struct{}))
		}
		return nil
	})
}

// awaitReply is where the leaked goroutines are seen to wait.
func awaitReply(reply <-chan struct{}) { <-reply }

// Spin computes on amount cores.
func Spin(ctx context.Context, setting faults.Setting) error {
	var spinners sync.WaitGroup
	for range int(setting.Amount) {
		spinners.Go(func() { compute(ctx) })
	}
	spinners.Wait()
	return nil
}

func compute(ctx context.Context) {
	x := uint64(1)
	for ctx.Err() == nil {
		for range 1 << 16 {
			x = x*6364136223846793005 + 1442695040888963407
		}
	}
	spun.Store(x)
}

var spun atomic.Uint64

// Threads blocks amount operating system threads, each in a read of a pipe that nobody writes to.
func Threads(ctx context.Context, setting faults.Setting) error {
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC); err != nil {
		return err
	}
	var blocked sync.WaitGroup
	for range int(setting.Amount) {
		blocked.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
			var none [1]byte
			_, _ = syscall.Read(pipe[0], none[:])
		})
	}
	<-ctx.Done()
	_ = syscall.Close(pipe[1]) // the end of file lets all of them go
	blocked.Wait()
	return syscall.Close(pipe[0])
}

// Race counts in one variable from two goroutines without a lock.
func Race(ctx context.Context, _ faults.Setting) error {
	var counted int
	var counters sync.WaitGroup
	for range 2 {
		counters.Go(func() {
			for ctx.Err() == nil {
				countWithoutLock(&counted)
				time.Sleep(time.Millisecond)
			}
		})
	}
	counters.Wait()
	return nil
}

//go:noinline
func countWithoutLock(counted *int) { *counted++ }
