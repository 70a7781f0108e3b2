"""`health`: is the instance up, and on which looks that verdict rests."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from diagmesh.contract.answers.crash import Crash
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.measures import Measure, Ranked
from diagmesh.contract.wire import Answer, Blind, Question

__all__ = ["Check", "ExitReason", "Health", "HealthQuestion", "LastExit", "State", "Verdict"]


class State(StrEnum):
    """The state of the instance, best first; *unknown* is never better than *degraded*."""

    UP = "up"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    DOWN = "down"


class Verdict(StrEnum):
    """What one check found; *blind* could not be judged and is no pass."""

    PASS = "pass"  # noqa: S105  a verdict, no password
    FAIL = "fail"
    BLIND = "blind"


class ExitReason(StrEnum):
    """How a process ended. Only its parent learns that: the launcher does, whoever was attached says *unknown*.

    *clean* is exit code 0, *exit* any other one. A Go *panic* and a Go *fatal-error* end with code 2 and are known by
    their last words. *oom-kill* is a SIGKILL that the kernel counted as such in the control group of the service;
    *signal* is any other.
    """

    UNKNOWN = "unknown"
    CLEAN = "clean"
    EXIT = "exit"
    PANIC = "panic"
    FATAL_ERROR = "fatal-error"
    SIGNAL = "signal"
    OOM_KILL = "oom-kill"


class HealthQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Which looks to take.

    ``detail``: ``brief`` leaves out the checks that pass.

    Args:
        probes: true for all declared probes, false for none (the process alone), or the names of some.
    """

    probes: bool | Annotated[tuple[str, ...], Meta(max_length=256)] = True


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One look and what came of it.

    Args:
        name: which check.
        kind: ``process``, ``http``, ``tcp``, ``nats``, ``srv`` or that of a probe of somebody else's.
        target: what was looked at, without secrets.
        verdict: what came of it.
        reason: why it failed or could not be judged.
        required: whether failing means *down* (true) or *degraded* (false).
        took_ms: time until the verdict.
        phases_ms: time per phase (``resolve``, ``connect``, ``tls``, ``first_byte``, ``body``; ``reply`` over NATS).
        status_code: of HTTP, or of the service error header.
        instances: how many instances answered (``srv``).
        age_s: how long ago this was seen, when it was seen for an earlier question; else missing.
    """

    name: str
    kind: str
    verdict: Verdict
    required: bool
    target: str = ""
    reason: str = ""
    took_ms: float | None = None
    phases_ms: dict[str, float] = {}
    status_code: int | None = None
    instances: int | None = None
    age_s: float | None = None


class LastExit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The last end of the process that was noticed.

    Args:
        reason: how it ended.
        detail: what is known beyond that, or why nothing is.
        last_seen: when the process was last there; it ended after that. Missing while another one runs.
        at: when it ended; missing when only ``last_seen`` is known.
        pid: of the process that ended.
        code: its exit code; missing when a signal ended it at once, or when nobody knows.
        signal: name of the signal that ended it (``SIGKILL``); with a code where the Go runtime caught it first.
        core_dumped: whether the kernel wrote a core dump.
        asked: whether somebody had asked the launcher to end it (SIGTERM, SIGINT … passed on before).
        uptime_s: how long it had run.
        last_words: the end of its output, of a panic its beginning; bounded, without secrets.
        crash: what the runtime of Go wrote at its end, taken apart; missing where it wrote nothing. Only what
            ``last_words`` hold is known of it: of many goroutines the first ones.
        dropped_bytes: bytes of its output that are not in the record of it, nor could be in ``last_words``.
        unpassed_bytes: bytes of its output that could not be passed on, because whoever reads it is gone or too slow.
        restarts: how often the launcher had started it again until then.
        restart_at: when the launcher starts it again; missing when it does not.
    """

    reason: ExitReason
    detail: str = ""
    last_seen: datetime | None = None
    at: datetime | None = None
    pid: int | None = None
    code: int | None = None
    signal: str = ""
    core_dumped: bool = False
    asked: bool = False
    uptime_s: float | None = None
    last_words: str = ""
    crash: Crash | None = None
    dropped_bytes: int = 0
    unpassed_bytes: int = 0
    restarts: int = 0
    restart_at: datetime | None = None


class Health(Answer, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Whether the instance is up, and why not.

    Args:
        state: the verdict over all checks.
        reason: the check that decided, in one sentence.
        restarts_seen: how often another process took its place since the sidecar started.
        restarts_lately: how often in the last hour.
        pid: of the process; missing when none fits.
        process_state: what the kernel says it does; missing when none fits or it could not be read.
        started_at: when the process started.
        uptime_s: seconds since then.
        last_exit: the last end that was noticed; missing when none was.
        checks: every look, the decisive ones first.
        blind: what could not be judged, with the way to change that.
    """

    state: Annotated[State, Ranked(("up", "degraded", "unknown", "down"))]
    reason: str
    restarts_seen: Annotated[int, Measure("count")]
    restarts_lately: int | None = None
    pid: int | None = None
    process_state: ProcessState | None = None
    started_at: datetime | None = None
    uptime_s: Annotated[float | None, Measure("s")] = None
    last_exit: LastExit | None = None
    checks: tuple[Check, ...] = ()
    blind: tuple[Blind, ...] = ()
