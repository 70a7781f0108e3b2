"""goroutines: what they do, added up by similar stack; who waits on whom; which grow, and where they are started."""

import time
from typing import TYPE_CHECKING, Final

import msgspec

from diagmesh.contract.answers.goroutines import Cost, DumpForm, Goroutines, GoroutinesQuestion, Leak
from diagmesh.contract.wire import Blind, Detail
from diagmesh.declare import agent
from diagmesh.errors import NoPage, Unavailable, Unreadable
from diagmesh.target import Target

if TYPE_CHECKING:
    from diagmesh.adapters.godump.report import Shape
    from diagmesh.gopages import Fetched

__all__ = ["goroutines"]

_DUMP_BYTES: Final = 16 << 20
_LEAKS_BYTES: Final = 4 << 20
_DUMP_S: Final = 8.0
_LEAKS_EVERY_S: Final = 60.0
_MEMBERS: Final = {Detail.BRIEF: 0, Detail.NORMAL: 5, Detail.FULL: 1000}
_ONLY_COUNTED: Final = Blind(
    what="states",
    why="only counts were asked for: states, ages, locks and creation sites are in a full dump",
    fix='ask with {"form": "stacks"}; the service stands still while it is written',
)


@agent(budget=12.0, concurrency=2)
async def goroutines(question: GoroutinesQuestion, target: Target) -> Goroutines:
    """What do the goroutines do: alike ones together, who waits on what, who seems to hold it, which grow?"""
    from diagmesh.adapters.godump.apart import read_apart  # noqa: PLC0415  whoever is never asked pays nothing
    from diagmesh.adapters.godump.report import answer_of  # noqa: PLC0415
    from diagmesh.gopages import pprof  # noqa: PLC0415
    from diagmesh_agents._godump import form_for, index_of, past_of  # noqa: PLC0415

    index = await index_of(target)
    form, why = form_for(question, index)
    debug = 2 if form is DumpForm.STACKS else 1
    page = await target.go.fetch(pprof("goroutine"), query={"debug": debug}, limit_bytes=_DUMP_BYTES, timeout_s=_DUMP_S)
    started = time.perf_counter()
    try:
        read = await read_apart(page.body, _shape(question))
    except Unreadable as error:
        raise Unavailable(str(error), hint=error.fix) from None
    parse_ms = round(1000 * (time.perf_counter() - started), 3)
    past = past_of(target)
    growth, waited, cycles, memory = past.compared(read.report, read.form)
    leaks = await _leaks(question, target) if index.leaks else None
    return msgspec.structs.replace(
        answer_of(read.report, question.level),
        form=read.form,
        form_why=why,
        source=f"{target.go.places['pprof']}/goroutine?debug={debug}",
        waiting=None if read.form is DumpForm.COUNTS else read.report.waiting,
        groups=() if question.detail is Detail.BRIEF else read.report.groups,
        waited=waited,
        cycles=cycles,
        growth=growth,
        watched_s=memory.watched_s,
        looks=memory.looks,
        leaks=leaks,
        leaks_age_s=round(time.monotonic() - past.leaks_at, 3) if leaks is not None else None,
        leaks_offered=index.leaks,
        cut=_cut(page, read.report.cut),
        cost=Cost(took_ms=page.took_ms, read_bytes=page.size_bytes, parse_ms=parse_ms),
        blind=(_ONLY_COUNTED,) if read.form is DumpForm.COUNTS else (),
    )


def _shape(question: GoroutinesQuestion) -> "Shape":
    from diagmesh.adapters.godump.report import Shape  # noqa: PLC0415

    return Shape(level=question.level, groups=question.limit, members=_MEMBERS[question.detail])


def _cut(page: "Fetched", said: str) -> str:
    if page.cut:
        return f"only the first {page.size_bytes / (1 << 20):.3g} MiB of the dump were read"
    from diagmesh.adapters.godump.whole import GO_BOUND_BYTES  # noqa: PLC0415

    return f"{said}: Go writes {GO_BOUND_BYTES >> 20} MiB at most" if page.size_bytes >= GO_BOUND_BYTES else said


async def _leaks(question: GoroutinesQuestion, target: Target) -> tuple[Leak, ...] | None:
    """Go's own leak profile; it runs a garbage collection in the service, so it is asked for seldom."""
    from diagmesh.adapters.godump.leaks import leaks_of  # noqa: PLC0415
    from diagmesh.gopages import pprof  # noqa: PLC0415
    from diagmesh_agents._godump import past_of  # noqa: PLC0415

    past = past_of(target)
    due = time.monotonic() - past.leaks_at >= _LEAKS_EVERY_S if question.leaks is None else question.leaks
    if not due:
        return past.leaks
    try:
        page = await target.go.fetch(
            pprof("goroutineleak"), query={"debug": 1}, limit_bytes=_LEAKS_BYTES, timeout_s=_DUMP_S
        )
        past.leaks, past.leaks_at = leaks_of(page.body), time.monotonic()
    except (NoPage, Unreadable):
        return None
    return past.leaks
