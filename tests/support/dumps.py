"""Goroutine dumps that a test writes: of a shop with a store behind two locks."""

from typing import Final

__all__ = ["counts", "dump", "holder", "locked", "parked", "sender"]

_CREATED: Final = "created by shop/orders.(*Service).serve in goroutine 1\n\t/src/shop/orders/serve.go:12 +0x2f\n"


def dump(*parts: str) -> bytes:
    """All of it as a service writes it."""
    return "\n".join(parts).encode()


def parked(count: int, *, first: int = 100, minutes: int = 0) -> str:
    """So many that wait for an answer at one place."""
    age = f", {minutes} minutes" if minutes else ""
    return "\n".join(
        f"goroutine {number} [chan receive{age}]:\nshop/orders.await(0xc000{number:06x})\n"
        f"\t/src/shop/orders/await.go:31 +0x1d\n{_CREATED}"
        for number in range(first, first + count)
    )


def sender(count: int, *, first: int = 5000, minutes: int = 0) -> str:
    """So many that want to send at one place."""
    return parked(count, first=first, minutes=minutes).replace("chan receive", "chan send").replace("await", "tell")


def locked(number: int, function: str = "Put", *, lock: int = 0xC000010000, line: int = 48, minutes: int = 0) -> str:
    """One that waits for a lock of the store in a method of it."""
    age = f", {minutes} minutes" if minutes else ""
    return (
        f"goroutine {number} [sync.Mutex.Lock{age}]:\ninternal/sync.runtime_SemacquireMutex(0x0?, 0x28?, 0x4?)\n"
        "\t/usr/local/go/src/runtime/sema.go:95 +0x25\n"
        f"internal/sync.(*Mutex).lockSlow({lock:#x})\n\t/usr/local/go/src/internal/sync/mutex.go:149 +0x15a\n"
        "sync.(*Mutex).Lock(...)\n\t/usr/local/go/src/sync/mutex.go:46\n"
        f"shop/store.(*Store).{function}(0xc000010000, {{0x1?, 0x2}})\n"
        f"\t/src/shop/store/store.go:{line} +0x5f\n{_CREATED}"
    )


def holder(number: int, function: str = "holdOnce", *, words: str = "0xc000010000") -> str:
    """One inside of a method of the store that waits for something else."""
    return (
        f"goroutine {number} [chan receive]:\nshop/store.(*Store).{function}({words})\n"
        f"\t/src/shop/store/store.go:139 +0x5f\n{_CREATED}"
    )


def counts(count: int) -> bytes:
    """The same as `parked`, as counts (``debug=1``)."""
    return (
        f"goroutine profile: total {count}\n{count} @ 0x1 0x2\n"
        "#\t0x1\tshop/orders.await+0x1d\t/src/shop/orders/await.go:31\n\n"
    ).encode()
