"""health: is the instance up, ready, stopped, restarting, and why not."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from diagmesh.contract.answers.health import Health, HealthQuestion
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.wire import Blind
from diagmesh.declare import agent
from diagmesh.errors import Declined, NotRunning, Unreadable
from diagmesh.target import Probe, ProbeResult, Target
from diagmesh_agents._verdict import Seen, blinds, judge, last_exit, of_result, process_checks, told, uptime_s

__all__ = ["health"]

BUDGET_S: Final = 5.0
_SHARE_FOR_LOOKS: Final = 0.9
"""Of the budget; the rest is for the answer, so that a slow door is told about instead of making all of it late."""
_PROBES_AT_A_TIME: Final = 16
_LOOKS_WHEN_HELD: Final = 3
_PAUSE_S: Final = 0.05
_PASSING_STATES: Final = frozenset({ProcessState.BLOCKED, ProcessState.TRACED})
"""States in which a healthy process may be for an instant: looked at again before they count."""


@agent(budget=BUDGET_S, concurrency=32)
async def health(question: HealthQuestion, target: Target) -> Health:
    """Is the instance up: its process, restarts, and every declared door, each with its reason."""
    probes = _chosen(question, target.probes)
    budget_s = min(BUDGET_S, (question.timeout_ms or 1000 * BUDGET_S) / 1000)
    until = asyncio.get_running_loop().time() + budget_s * _SHARE_FOR_LOOKS
    knocks = asyncio.create_task(_knock(probes, until)) if probes else None
    try:
        seen = await _process(target, until)
        results = [] if knocks is None else await knocks
        if seen.states and any(result.ok is False for result in results):
            seen = await _process(target, until)  # the door may be shut because it ended after the first look
        now = datetime.now(UTC)
    finally:
        if knocks is not None:
            knocks.cancel()
    checks = process_checks(seen, now) + tuple(of_result(result) for result in results)
    state, reason = judge(checks, len(probes))
    return Health(
        state=state,
        reason=reason,
        restarts_seen=seen.sighting.restarts_seen,
        restarts_lately=seen.sighting.restarts_lately,
        pid=seen.sighting.pid or None,
        process_state=seen.states[-1] if seen.states else None,
        started_at=seen.sighting.started_at,
        uptime_s=uptime_s(seen.sighting, now),
        last_exit=last_exit(seen.sighting),
        checks=told(checks, question.detail),
        blind=blinds(seen, checks, results),
    )


def _chosen(question: HealthQuestion, probes: Sequence[Probe]) -> tuple[Probe, ...]:
    if isinstance(question.probes, bool):
        return tuple(probes) if question.probes else ()
    known = {probe.name: probe for probe in probes}
    if unknown := [name for name in question.probes if name not in known]:
        names = ", ".join(known) or "none is declared"
        raise Declined(f"no probe is named {', '.join(map(repr, unknown))}", hint=f"probes: {names}")
    return tuple(known[name] for name in dict.fromkeys(question.probes))


async def _process(target: Target, until: float) -> Seen:
    """Which process fits, and what it does; more than one look where a single one says little."""
    states: tuple[ProcessState, ...] = ()
    for number in range(_LOOKS_WHEN_HELD):
        if number:
            await asyncio.sleep(_PAUSE_S)
        seen = _look(target)  # a small read in /proc; whoever watches the neighbour does the searching
        while seen.sighting.settling and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(_PAUSE_S)
            seen = _look(target)
        states += seen.states
        if not seen.states or seen.states[-1] not in _PASSING_STATES:
            break
    return msgspec.structs.replace(seen, states=states if seen.states else ())


def _look(target: Target) -> Seen:
    sighting = target.sighting()
    try:
        if sighting.running:
            return Seen(sighting=sighting, states=(sighting.state or target.process.state(),))
    except NotRunning:
        sighting = target.sighting()  # it ended in between
    except Unreadable as error:
        return Seen(sighting=sighting, blind=Blind(what=error.what, why=str(error), fix=error.fix))
    if sighting.hidden:
        return Seen(sighting=sighting, blind=Blind(what="process", why=sighting.reason))
    return Seen(sighting=sighting, blind=next((blind for blind in target.blind() if blind.what == "process"), None))


async def _knock(probes: Sequence[Probe], until: float) -> list[ProbeResult]:
    """All probes, side by side but not all at once, each with a result whatever it does."""
    room = asyncio.Semaphore(_PROBES_AT_A_TIME)
    patience_s = until - asyncio.get_running_loop().time()

    async def one(probe: Probe) -> ProbeResult:
        try:
            async with asyncio.timeout_at(until), room:
                return await probe.look()
        except TimeoutError:
            words = f"no verdict within the {patience_s:.3g} s that this question leaves for probes"
            fix = "ask with a larger timeout_ms, or give the probe a shorter timeout_s"
        except Exception as error:  # noqa: BLE001  a probe of somebody else's must not take the other checks with it
            words, fix = f"the probe failed with {type(error).__name__}", "report this to the author of the probe"
        return ProbeResult(name=probe.name, kind="probe", target="", ok=None, reason=words, fix=fix)

    return list(await asyncio.gather(*map(one, probes)))
