package harm

import (
	"context"
	"errors"
	"testing"
	"time"

	"diagmesh.test/demo/internal/faults"
)

func TestALeakGrowsToItsCapAndThenWaits(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	made := 0
	if err := grow(ctx, 1000, 7, func() error { made++; return nil }); err != nil || made != 7 || ctx.Err() == nil {
		t.Errorf("%d made, %v, %v", made, err, ctx.Err())
	}
}

func TestALeakThatCannotGrowKeepsWhatItHas(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	full := errors.New("no more")
	if err := grow(ctx, 1000, 7, func() error { return full }); !errors.Is(err, full) || ctx.Err() == nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}

func TestHarmEndsWithItsTime(t *testing.T) {
	for name, effect := range map[string]faults.Effect{
		"memory": LeakMemory, "allocate": Allocate, "goroutines": LeakGoroutines, "spin": Spin, "threads": Threads,
		"descriptors": LeakDescriptors, "sockets": LeakSockets,
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Millisecond)
		began := time.Now()
		err := effect(ctx, faults.Setting{Amount: 2, Cap: 2, Mode: "held"})
		if took := time.Since(began); err != nil || took < 50*time.Millisecond || took > 10*time.Second {
			t.Errorf("%s: %s, %v", name, took, err)
		}
		cancel()
	}
}
