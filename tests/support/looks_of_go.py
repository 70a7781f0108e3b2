"""An answer of `goroutines` with everything in it that a view can show, and a crash in an answer of `health`."""

from typing import Final

from msgspec.structs import replace

from diagmesh.adapters.gocrash import crashes_of
from diagmesh.adapters.godump.leaks import leaks_of
from diagmesh.adapters.godump.memory import growth_between
from diagmesh.adapters.godump.report import Shape, answer_of
from diagmesh.adapters.godump.whole import read_dump
from diagmesh.contract.answers.goroutines import Cost, Goroutines, Level
from diagmesh.contract.answers.health import Health, LastExit
from support.dumps import dump, holder, locked, parked, sender
from support.replies import LAUNCHED

__all__ = ["CRASHED", "STUCK"]

_WORDS: Final = """panic: no such order [recovered]
\tpanic: cannot tell anybody

goroutine 7 [running]:
shop/orders.(*Service).tell(...)
\t/src/shop/orders/tell.go:12
panic({0x1, 0x2})
\t/usr/local/go/src/runtime/panic.go:859 +0x125
shop/orders.(*Service).find(0xc000010000)
\t/src/shop/orders/find.go:31 +0x1d
"""


def _stuck() -> Goroutines:
    earlier = read_dump([dump(parked(3))], Shape()).report
    now = read_dump(
        [
            dump(
                locked(20, "bookThenCount", lock=0xC000010038, line=30, minutes=2),
                locked(21, "countThenBook", line=38, minutes=3),
                *(locked(number) for number in (31, 32, 33)),
                holder(9),
                parked(412, minutes=4),
                sender(30, minutes=1),
            )
        ],
        Shape(),
    ).report
    answer = answer_of(now, Level.FUNCTIONS)
    leaks = leaks_of(
        b"goroutineleak profile: total 7\n7 @ 0x1\n#\t0x1\tshop/orders.lost+0x1d\t/src/shop/orders/x.go:3\n"
    )
    return replace(
        answer,
        waited=tuple(replace(one, seen_s=12.0, still=1) for one in answer.waited),
        cycles=tuple(replace(one, seen_s=12.0) for one in answer.cycles),
        growth=tuple(growth_between(earlier.sites, now.sites, 100.0)),
        watched_s=100.0,
        looks=5,
        leaks=leaks,
        leaks_offered=True,
        cut="only the first 16 MiB of the dump were read",
        cost=Cost(took_ms=52.0, read_bytes=123_456, parse_ms=13.0),
    )


def _crashed() -> Health:
    assert isinstance(LAUNCHED.last_exit, LastExit)
    (crash,) = crashes_of(_WORDS.split("\n"))
    return replace(LAUNCHED, last_exit=replace(LAUNCHED.last_exit, crash=crash))


STUCK: Final = _stuck()
CRASHED: Final = _crashed()
