"""On what a goroutine waits, as far as its stack shows it: the kind of the object, and its address.

Go prints the words of the arguments of every function that was not inlined, so the slow path of a lock shows which lock
it is. Of a channel there is nothing to see in an ordinary dump: its functions are the runtime's, which are left out.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from diagmesh.adapters.godump.grammar import parse_call
from diagmesh.adapters.godump.reader import Goroutine
from diagmesh.adapters.godump.stack import Stack
from diagmesh.contract.answers.goroutines import WaitedKind

__all__ = ["LOCKS", "Object", "Spot", "kind_of_state", "number_of", "object_of", "spots_of"]

LOCKS: Final = frozenset({WaitedKind.MUTEX, WaitedKind.RWMUTEX})
"""What somebody holds."""

_OBJECTS: Final = {
    "sync.(*Mutex).Lock": (WaitedKind.MUTEX, 0),
    "sync.(*Mutex).lockSlow": (WaitedKind.MUTEX, 0),
    "internal/sync.(*Mutex).Lock": (WaitedKind.MUTEX, 0),
    "internal/sync.(*Mutex).lockSlow": (WaitedKind.MUTEX, 0),
    "sync.(*RWMutex).Lock": (WaitedKind.RWMUTEX, 0),
    "sync.(*RWMutex).RLock": (WaitedKind.RWMUTEX, 0),
    "sync.runtime_SemacquireRWMutex": (WaitedKind.RWMUTEX, 8),
    "sync.runtime_SemacquireRWMutexR": (WaitedKind.RWMUTEX, 12),
    "sync.(*WaitGroup).Wait": (WaitedKind.WAITGROUP, 0),
    "sync.(*Cond).Wait": (WaitedKind.COND, 0),
    "runtime.chanrecv": (WaitedKind.CHANNEL, 0),
    "runtime.chanrecv1": (WaitedKind.CHANNEL, 0),
    "runtime.chanrecv2": (WaitedKind.CHANNEL, 0),
    "runtime.chansend": (WaitedKind.CHANNEL, 0),
    "runtime.chansend1": (WaitedKind.CHANNEL, 0),
}
"""Functions whose first argument is the object, or is so many bytes inside of it."""

_STATES: Final = {
    "sync.Mutex.Lock": WaitedKind.MUTEX,
    "sync.RWMutex.Lock": WaitedKind.RWMUTEX,
    "sync.RWMutex.RLock": WaitedKind.RWMUTEX,
    "sync.WaitGroup.Wait": WaitedKind.WAITGROUP,
    "sync.Cond.Wait": WaitedKind.COND,
    "semacquire": WaitedKind.SEMAPHORE,
    "chan receive": WaitedKind.CHANNEL,
    "chan send": WaitedKind.CHANNEL,
    "chan receive (nil chan)": WaitedKind.CHANNEL,
    "chan send (nil chan)": WaitedKind.CHANNEL,
}
_DEEPEST: Final = 12
_SMALLEST: Final = 0x1000


class Object(NamedTuple):
    """What is waited on; address 0 is *not known*.

    ``sure`` is whether Go printed it without a question mark; of a lock that it did not print at all the address is
    that of the object on whose method it is wanted, which is never sure.
    """

    kind: WaitedKind
    address: int
    sure: bool


class Spot(NamedTuple):
    """In which frame of a stack the object is seen."""

    frame: int
    kind: WaitedKind
    inside: int


def kind_of_state(state: str) -> WaitedKind | None:
    """What goroutines in this state wait on; None for those that wait on no such thing."""
    return _STATES.get(state)


def spots_of(stack: Stack) -> tuple[Spot, ...]:
    """Where in the stack the object may be seen, the best first: the outermost of the functions that have it."""
    found = []
    for position, frame in enumerate(stack.frames[:_DEEPEST]):
        if (known := _OBJECTS.get(frame.function)) is not None:
            found.append(Spot(position, *known))
        elif found and not frame.function.startswith(("sync.", "internal/sync.", "runtime.")):
            break
    return tuple(reversed(found))


def object_of(one: Goroutine, spots: Sequence[Spot]) -> Object | None:
    """On what a goroutine waits; None when it does not wait on such a thing.

    Args:
        one: which goroutine.
        spots: of its stack.
    """
    kind = _STATES.get(one.header.state)
    if kind is None:
        return None
    if not spots:
        return Object(kind, 0, sure=False)
    lines = one.text.split("\n")
    doubtful = Object(spots[0].kind, 0, sure=False)
    for spot in spots:
        call = parse_call(lines[2 * spot.frame]) if 2 * spot.frame < len(lines) else None
        if call is None or call.function != one.stack.frames[spot.frame].function or not call.arguments:
            continue
        address, sure = number_of(call.arguments[0])
        if address > spot.inside + _SMALLEST:
            told = Object(spots[0].kind, address - spot.inside, sure)
            if sure:
                return told
            doubtful = told if not doubtful.address else doubtful
    if not doubtful.address and doubtful.kind in LOCKS:
        return doubtful._replace(address=_owner(lines, spots[0].frame + 1))
    return doubtful


def _owner(lines: Sequence[str], frame: int) -> int:
    """The object on whose method the lock is wanted: better than nothing where Go does not print the lock."""
    call = parse_call(lines[2 * frame]) if 2 * frame < len(lines) else None
    if call is None or ".(*" not in call.function or not call.arguments:
        return 0
    return number_of(call.arguments[0])[0]


def number_of(word: str) -> tuple[int, bool]:
    """The number that an argument word is, and whether Go is sure of it; 0 where it is none."""
    sure = not word.endswith("?")
    try:
        return int(word.removesuffix("?"), 16), sure
    except ValueError:
        return 0, False
