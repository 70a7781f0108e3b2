// Package harm does to the own process what the fault switches say. Each function returns when the context has ended
// and the harm is undone, as far as that is possible.
package harm

import (
	"context"
	"runtime/debug"
	"time"

	"diagmesh.test/demo/internal/faults"
)

const (
	pace     = 20 * time.Millisecond
	megabyte = 1 << 20
)

// LeakMemory keeps amount MB more every second, up to cap MB.
func LeakMemory(ctx context.Context, setting faults.Setting) error {
	var kept [][]byte
	grow(ctx, setting.Amount, setting.Cap, func() error {
		kept = append(kept, touched(megabyte))
		return nil
	})
	clear(kept)
	kept = nil
	debug.FreeOSMemory() // at once, so that the memory is seen to come back
	return nil
}

// Allocate makes amount MB of garbage every second.
func Allocate(ctx context.Context, setting faults.Setting) error {
	const piece = 64 << 10
	every(ctx, setting.Amount*megabyte/piece, func() error {
		garbage = make([]byte, piece)
		return nil
	})
	return nil
}

// garbage keeps the compiler from leaving the allocation out.
var garbage []byte

func touched(size int) []byte {
	block := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		block[i] = 1 // a page that nobody has written takes no memory
	}
	return block
}

// grow calls make so many times a second until cap is reached, then waits for the end.
func grow(ctx context.Context, perSecond, cap float64, make func() error) error {
	made := 0.0
	err := every(ctx, perSecond, func() error {
		if made++; made > cap {
			return errFull
		}
		return make()
	})
	<-ctx.Done()
	if err == errFull {
		return nil
	}
	return err
}

// every calls do so many times a second, until the context ends or do fails.
func every(ctx context.Context, perSecond float64, do func() error) error {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	began, done := time.Now(), 0.0
	for {
		for due := time.Since(began).Seconds() * perSecond; done < due && ctx.Err() == nil; done++ {
			if err := do(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
