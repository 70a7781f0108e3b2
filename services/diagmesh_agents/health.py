"""health: is the instance up, ready, stopped, restarting, and why not."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from diagmesh.contract.answers.health import Check, Health, HealthQuestion, Verdict
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.wire import Blind, Detail
from diagmesh.declare import agent
from diagmesh.errors import Declined, NotRunning, Unreadable
from diagmesh.target import Probe, ProbeResult, Target
from diagmesh_agents._verdict import Seen, judge, last_exit, of_result, process_checks, uptime_s, worst_first

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
    async with asyncio.TaskGroup() as group:
        looks = group.create_task(_process(target))
        knocks = group.create_task(_knock(probes, budget_s * _SHARE_FOR_LOOKS))
    seen, results, now = looks.result(), knocks.result(), datetime.now(UTC)
    checks = process_checks(seen, now) + tuple(of_result(result) for result in results)
    state, reason = judge(checks, len(probes))
    return Health(
        state=state,
        reason=reason,
        restarts_seen=seen.sighting.restarts_seen,
        pid=seen.sighting.pid or None,
        process_state=seen.states[-1] if seen.states else None,
        started_at=seen.sighting.started_at,
        uptime_s=uptime_s(seen.sighting, now),
        last_exit=last_exit(seen.sighting),
        checks=_told(worst_first(checks), question.detail),
        blind=_blind(seen, checks, results),
    )


def _chosen(question: HealthQuestion, probes: Sequence[Probe]) -> tuple[Probe, ...]:
    if isinstance(question.probes, bool):
        return tuple(probes) if question.probes else ()
    known = {probe.name: probe for probe in probes}
    if unknown := [name for name in question.probes if name not in known]:
        names = ", ".join(known) or "none is declared"
        raise Declined(f"no probe is named {', '.join(map(repr, unknown))}", hint=f"probes: {names}")
    return tuple(known[name] for name in dict.fromkeys(question.probes))


async def _process(target: Target) -> Seen:
    """Which process fits, and what it does; more than one look where a single one says little."""
    sighting = target.sighting()
    if not sighting.running:
        return Seen(sighting=sighting)
    states: list[ProcessState] = []
    try:
        for look in range(_LOOKS_WHEN_HELD):
            if look:
                await asyncio.sleep(_PAUSE_S)
            states.append(target.process.state())
            if states[-1] not in _PASSING_STATES:
                break
    except NotRunning:
        return Seen(sighting=target.sighting())
    except Unreadable as error:
        return Seen(sighting=sighting, blind=Blind(what="process state", why=error.why, fix=error.fix))
    return Seen(sighting=sighting, states=tuple(states))


async def _knock(probes: Sequence[Probe], patience_s: float) -> list[ProbeResult]:
    """All probes, side by side but not all at once, each with a result whatever it does."""
    room = asyncio.Semaphore(_PROBES_AT_A_TIME)
    until = asyncio.get_running_loop().time() + patience_s

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


def _told(checks: Sequence[Check], detail: Detail) -> tuple[Check, ...]:
    return tuple(check for check in checks if detail is not Detail.BRIEF or check.verdict is not Verdict.PASS)


def _blind(seen: Seen, checks: Sequence[Check], results: Sequence[ProbeResult]) -> tuple[Blind, ...]:
    """What could not be judged: each blind check, with the fix that its source knows."""
    fixes = {result.name: result.fix for result in results}
    if seen.blind is not None:
        fixes["process"] = seen.blind.fix
    elif not seen.sighting.looked_for:
        fixes["process"] = "add pid, pid_file, port, exe, command, systemd or container to the target's settings"
    return tuple(
        Blind(what=f"check {check.name}", why=check.reason, fix=fixes.get(check.name, ""))
        for check in checks
        if check.verdict is Verdict.BLIND
    )
