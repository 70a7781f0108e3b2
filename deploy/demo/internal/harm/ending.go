package harm

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"time"

	"diagmesh.test/demo/internal/faults"
)

// lastWords is how long the process still lives, so that the switch is answered.
const lastWords = 100 * time.Millisecond

// Panic ends the process with a panic: a message, or a nil pointer.
func Panic(ctx context.Context, setting faults.Setting) error {
	return soon(ctx, func() { bookOrder(setting.Mode) })
}

type order struct{ totalCents int }

//go:noinline
func bookOrder(mode string) {
	if mode == "nil" {
		var missing *order
		missing.totalCents++
	}
	panic("order without a total")
}

// Fatal ends the process with a fatal error of the runtime, which nobody can recover from.
func Fatal(ctx context.Context, _ faults.Setting) error {
	return soon(ctx, func() {
		runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))) // on one processor the writers would seldom meet
		prices := map[string]int{}
		for range 8 {
			go writePrices(ctx, prices)
		}
	})
}

func writePrices(ctx context.Context, prices map[string]int) {
	for i := 0; ctx.Err() == nil; i++ {
		prices[strconv.Itoa(i%1000)] = i
	}
}

// Exit ends the process with an exit code.
func Exit(ctx context.Context, setting faults.Setting) error {
	return soon(ctx, func() { os.Exit(int(setting.Amount)) })
}

// soon does it in a goroutine of its own: the stack then begins there, as that of a handler would.
func soon(ctx context.Context, do func()) error {
	select {
	case <-time.After(lastWords):
		go do()
	case <-ctx.Done():
	}
	<-ctx.Done()
	return nil
}
