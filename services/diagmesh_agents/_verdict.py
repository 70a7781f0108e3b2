"""How `health` judges: pure functions from looks to checks, and from checks to one state with its reason."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from diagmesh.contract.answers.health import Check, ExitReason, LastExit, State, Verdict
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.wire import Blind, Detail
from diagmesh.target import ProbeResult, Sighting
from diagmesh_agents._crash import with_crash

__all__ = [
    "RECENT_RESTART_S",
    "Seen",
    "blinds",
    "judge",
    "last_exit",
    "of_result",
    "process_checks",
    "told",
    "uptime_s",
]

RECENT_RESTART_S: Final = 60.0
"""How long after a restart an instance counts as degraded."""

_VERDICTS: Final = {True: Verdict.PASS, False: Verdict.FAIL, None: Verdict.BLIND}
_NOT_RUNNING: Final = {
    ProcessState.ZOMBIE: "has ended, and its parent has not taken notice (zombie)",
    ProcessState.DEAD: "is ending",
    ProcessState.STOPPED: "is stopped by a signal and runs no code (SIGCONT lets it go on)",
    ProcessState.TRACED: "is held by a tracer (a debugger) and runs no code",
}
_GRAVITY: Final = {
    (Verdict.FAIL, True): 0,
    (Verdict.BLIND, True): 1,
    (Verdict.FAIL, False): 2,
    (Verdict.BLIND, False): 3,
}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of the process.

    Args:
        sighting: which process fits.
        states: what it did, look after look; empty when none fits or it could not be read.
        blind: why nothing can be said about the process, or nothing about its state.
    """

    sighting: Sighting
    states: tuple[ProcessState, ...] = ()
    blind: Blind | None = None


def process_checks(seen: Seen, now: datetime) -> tuple[Check, ...]:
    """The process itself, and (only where they fail) that it hangs in the kernel or came back just now."""
    checks = [_process(seen)]
    if len(seen.states) > 1 and set(seen.states) == {ProcessState.BLOCKED}:
        words = f"in all of {len(seen.states)} looks the process hung in the kernel (storage or network file system)"
        checks.append(Check(name="blocked", kind="process", verdict=Verdict.FAIL, required=False, reason=words))
    age_s = uptime_s(seen.sighting, now)
    if seen.sighting.restarts_seen and age_s is not None and age_s < RECENT_RESTART_S:
        words = f"restarted {age_s:.0f} s ago ({seen.sighting.restarts_seen} since the sidecar started)"
        checks.append(Check(name="restart", kind="process", verdict=Verdict.FAIL, required=False, reason=words))
    return tuple(checks)


def _process(seen: Seen) -> Check:
    sighting = seen.sighting
    told = Check(name="process", kind="process", target=sighting.looked_for, verdict=Verdict.PASS, required=True)
    replace = msgspec.structs.replace
    if seen.blind is not None:
        # Not required then: a door that answers shows more than a process table could.
        return replace(told, verdict=Verdict.BLIND, required=False, reason=seen.blind.why)
    if not sighting.running:
        return replace(told, verdict=Verdict.FAIL, reason=sighting.reason or "no process fits")
    last = seen.states[-1] if seen.states else ProcessState.UNKNOWN
    if last is ProcessState.UNKNOWN:
        words = f"process {sighting.pid} is there, in a state that is not known to us"
        return replace(told, verdict=Verdict.BLIND, required=False, reason=words)
    if last in _NOT_RUNNING:
        return replace(told, verdict=Verdict.FAIL, reason=f"process {sighting.pid} {_NOT_RUNNING[last]}")
    return replace(told, reason=sighting.reason)


def of_result(result: ProbeResult) -> Check:
    """The check that a probe's result amounts to."""
    return Check(
        name=result.name,
        kind=result.kind,
        target=result.target,
        verdict=_VERDICTS[result.ok],
        required=result.required,
        reason=result.reason,
        took_ms=result.took_ms,
        phases_ms=result.phases_ms,
        status_code=result.status_code,
        instances=result.instances,
        age_s=result.age_s or None,
    )


def judge(checks: Sequence[Check], asked: int) -> tuple[State, str]:
    """The state of the instance, and the check that decided.

    Args:
        checks: all of them; what could not be judged never counts as a pass.
        asked: how many probes were asked, for the words of an *up*.
    """
    judged = [check for check in checks if check.verdict is not Verdict.BLIND]
    if not judged:
        return State.UNKNOWN, "nothing could be judged: " + (
            _words(checks[0]) if checks else "there is nothing to look at"
        )
    first = _worst_first(checks)[0]
    match first.verdict, first.required:
        case Verdict.FAIL, True:
            return State.DOWN, _words(first)
        case Verdict.BLIND, True:
            return State.UNKNOWN, f"a required check could not be judged: {_words(first)}"
        case Verdict.FAIL, False:
            return State.DEGRADED, _words(first)
    return State.UP, _well(judged, asked)


def told(checks: Sequence[Check], detail: Detail) -> tuple[Check, ...]:
    """The checks of the answer: the decisive ones first; ``brief`` leaves out those that pass."""
    return tuple(
        check for check in _worst_first(checks) if detail is not Detail.BRIEF or check.verdict is not Verdict.PASS
    )


def blinds(seen: Seen, checks: Sequence[Check], results: Sequence[ProbeResult]) -> tuple[Blind, ...]:
    """What could not be judged: each blind check, with the fix that its source knows."""
    fixes = {result.name: result.fix for result in results}
    if seen.blind is not None:
        fixes["process"] = seen.blind.fix
    return tuple(
        Blind(what=f"check {check.name}", why=check.reason, fix=fixes.get(check.name, ""))
        for check in checks
        if check.verdict is Verdict.BLIND
    )


def _worst_first(checks: Sequence[Check]) -> list[Check]:
    return sorted(checks, key=lambda check: _GRAVITY.get((check.verdict, check.required), len(_GRAVITY)))


def _words(check: Check) -> str:
    about = check.target if check.name == "process" else check.name
    return f"{check.reason} ({about})" if check.kind == "process" else f"{check.name}: {check.reason}"


def _well(judged: Sequence[Check], asked: int) -> str:
    probes = sum(check.kind != "process" for check in judged)
    there = any(check.name == "process" for check in judged)
    if not asked:
        return "the process is there; only the process was looked at"
    process = "the process is there and " if there else "the process was not looked at, "
    return f"{process}{probes} of {asked} probes pass"


def uptime_s(sighting: Sighting, now: datetime) -> float | None:
    """Seconds since the process started; None when it is not known."""
    if not sighting.running or sighting.started_at is None:
        return None
    return round(max(0.0, (now - sighting.started_at).total_seconds()), 3)


def last_exit(sighting: Sighting) -> LastExit | None:
    """The last end that was noticed. A sidecar that is not told by the parent cannot know how it came about."""
    if sighting.last_exit is not None:
        return with_crash(sighting.last_exit)
    ended = not sighting.running and sighting.last_seen is not None
    if not ended and not sighting.restarts_seen:
        return None
    return LastExit(
        reason=ExitReason.UNKNOWN,
        detail="only the parent of a process learns how it ended, and the sidecar is not its parent",
        last_seen=sighting.last_seen if ended else None,
    )
