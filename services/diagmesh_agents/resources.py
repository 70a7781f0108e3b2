"""resources: what the neighbour uses of CPU, memory, descriptors, sockets and disks, and the time until a limit."""

import asyncio
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from diagmesh.adapters.blinds import Blinds
from diagmesh.adapters.filesystems import fullest
from diagmesh.adapters.rates import INTERVAL_S, earlier_of, lately_between, long_before
from diagmesh.contract.answers.resources import Resources, ResourcesQuestion
from diagmesh.contract.wire import Detail
from diagmesh.declare import agent
from diagmesh.errors import NotRunning, Unavailable, Unreadable
from diagmesh.target import Look, ProcessView, Sample, Target, Trends
from diagmesh_agents._usage import cheap, with_depth, with_trends

__all__ = ["resources"]

_MAX_AGE_S: Final = 10.0
_HINT: Final = "ask for health: it tells what became of the process"


@agent(budget=5.0, concurrency=8)
async def resources(question: ResourcesQuestion, target: Target) -> Resources:
    """How much CPU, memory, descriptors, sockets and disk the instance uses, and how long until a limit is met."""
    try:
        return await _resources(question, target)
    except NotRunning as gone:
        for blind in target.blind():
            if blind.what == "process":
                raise Unavailable(str(gone), code=501, error="not on this instance", hint=blind.fix) from None
        raise Unavailable(str(gone), code=503, hint=_HINT) from None
    except Unreadable as refusal:
        raise Unavailable(str(refusal), code=503, hint=refusal.fix) from None


async def _resources(question: ResourcesQuestion, target: Target) -> Resources:
    brief = question.detail is Detail.BRIEF
    process, look, samples, trends = await asyncio.to_thread(_see, target, None if brief else question.window_s)
    earlier = earlier_of(samples, look.at)
    if earlier is None:
        earlier, look = await _own_interval(process, look)
    answer = cheap(look, earlier)
    if samples:
        first = samples[0].at
        long_ago = long_before(samples, look.at)
        answer = replace(
            answer,
            cpu=replace(answer.cpu, lately=lately_between(long_ago, look)),
            ring_samples=len(samples),
            ring_over_s=round(samples[-1].at - first, 3),
            watched_s=round(max(0.0, look.at - first), 3),
        )
    if brief:
        return answer
    return await _with_expensive(with_trends(answer, trends, look), process, full=question.detail is Detail.FULL)


def _see(target: Target, window_s: float | None) -> tuple[ProcessView, Look, Sequence[Sample], Trends]:
    """All that is cheap but blocks, in one hop to a thread: the process, a look, its earlier samples, the slopes."""
    process = target.process
    look = process.look()
    samples = target.ring.samples()
    if samples and samples[-1].pid != look.pid:
        samples = ()  # the ring is that of the process before: one ring holds one process
    return process, look, samples, Trends() if window_s is None else target.ring.trends(window_s)


async def _own_interval(process: ProcessView, first: Look) -> tuple[Sample, Look]:
    """Two looks of our own, a short wait apart, while the ring holds nothing to compare with."""
    await asyncio.sleep(INTERVAL_S / 4)
    sample = Sample(first.at, first.pid, first.cpu_s, None, None, None, first.cgroup_cpu)
    return sample, await asyncio.to_thread(process.look)


async def _with_expensive(answer: Resources, process: ProcessView, *, full: bool) -> Resources:
    """Add what is expensive to see: looked at again for ``full``, else cached for ten seconds or more, as it costs."""
    blinds, max_age_s = Blinds(), 0.0 if full else _MAX_AGE_S
    depth = await blinds.wait(process.depth(max_age_s))
    disks = await blinds.wait(process.disks(max_age_s))
    if depth is not None:
        answer = with_depth(answer, depth, full=full)
    if disks is not None:
        answer = replace(answer, disks=fullest(disks, each=full), blind=answer.blind + disks.value.blind)
    return replace(answer, blind=answer.blind + blinds.all())
