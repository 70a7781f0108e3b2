"""runtime: what the Go runtime of the instance does: goroutines, heap, collector, GOMAXPROCS against the CPU quota."""

import asyncio
from typing import Final

from diagmesh.contract.answers.runtime import Runtime, RuntimeQuestion
from diagmesh.contract.wire import Blind, Detail
from diagmesh.declare import agent
from diagmesh.errors import NotRunning, Unreadable
from diagmesh.target import Look, Sample, Target

__all__ = ["runtime"]

_INTERVAL_S: Final = 0.5
"""Between two looks of our own, while the ring holds nothing to compare with."""


@agent(budget=8.0, concurrency=8)
async def runtime(question: RuntimeQuestion, target: Target) -> Runtime:
    """What does the Go runtime of the instance do: goroutines, heap, collector, GOMAXPROCS against the CPU quota."""
    look = await target.go_runtime.look()
    from diagmesh_agents import _goruntime  # noqa: PLC0415  only beside a Go service that has such pages

    if _goruntime.earlier_of(target.go_runtime.samples(), look) is None:
        await asyncio.sleep(_INTERVAL_S)
        look = await target.go_runtime.look()
    process, processes, blind = await asyncio.to_thread(_process, target)
    samples, growth = tuple(target.go_runtime.samples()), target.go_runtime.growth
    seen = _goruntime.Seen(look, samples, process, processes, growth)
    answer = _goruntime.answer_of(seen, question.window_s, blind)
    if question.detail is Detail.BRIEF:
        return answer
    return await asyncio.to_thread(_goruntime.with_past, answer, seen, question.window_s)


def _process(target: Target) -> tuple[Look | None, tuple[Sample, ...], tuple[Blind, ...]]:
    """The process beside the runtime, and its past; the pages tell of the runtime even where it cannot be seen."""
    try:
        look = target.process.look()
    except NotRunning as gone:
        return None, (), (Blind(what="process", why=str(gone), fix="ask for health: it tells what became of it"),)
    except Unreadable as refusal:
        return None, (), (Blind(what=refusal.what, why=refusal.why, fix=refusal.fix),)
    return look, tuple(one for one in target.ring.samples() if one.pid == look.pid), ()
