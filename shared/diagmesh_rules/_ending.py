"""How a process ended, as its launcher told it; what several rules need, so that one end has one code."""

from collections.abc import Iterator
from typing import Final

from diagmesh.contract.answers.crash import Crash
from diagmesh.contract.answers.health import ExitReason, Health, LastExit
from diagmesh.contract.findings import Fact
from diagmesh_rules._goroutines import at
from diagmesh_rules._words import duration, moment

__all__ = ["crash", "ending_facts", "how_it_ended", "restarts", "restarts_lately"]

_ALWAYS: Final = frozenset({ExitReason.PANIC, ExitReason.FATAL_ERROR, ExitReason.OOM_KILL})
_OWN_FAULTS: Final = frozenset({"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS"})
_MOST_CHARACTERS: Final = 200
_MOST_LINES: Final = 4


def crash(health: Health) -> LastExit | None:
    """The last end, if it is known to have been no good one: not code 0, and not merely what somebody asked for."""
    last = health.last_exit
    if last is None:
        return None
    own_fault = last.reason in _ALWAYS or last.signal in _OWN_FAULTS
    unasked = last.reason in (ExitReason.EXIT, ExitReason.SIGNAL) and not last.asked
    return last if own_fault or unasked else None


def restarts(health: Health) -> int:
    """How often it was started again, by the sidecar's count or the launcher's, which outlives sidecars."""
    return max(health.restarts_seen, health.last_exit.restarts if health.last_exit is not None else 0)


def restarts_lately(health: Health) -> int:
    """The same of the last hour; of a sidecar that does not tell that, since it started."""
    return health.restarts_seen if health.restarts_lately is None else health.restarts_lately


def how_it_ended(last: LastExit) -> str:
    """``panicked after 8.31 s: boom, in main.book (orders/main.go:38)``; ``exited with code 3``."""
    core = " (core dumped)" if last.core_dumped else ""
    words = {
        ExitReason.PANIC: "panicked",
        ExitReason.FATAL_ERROR: "was ended by a fatal error of its runtime",
        ExitReason.OOM_KILL: "was killed by the kernel for lack of memory",
        ExitReason.SIGNAL: f"was killed by {last.signal or 'a signal'}{core}",
        ExitReason.EXIT: "exited" if last.code is None else f"exited with code {last.code}",
    }.get(last.reason, f"ended ({last.reason})")
    ran = f" after {duration(last.uptime_s)}" if last.uptime_s is not None else ""
    said = last.detail if last.reason in (ExitReason.PANIC, ExitReason.FATAL_ERROR) else ""
    line = at(last.crash.at) if last.crash is not None else ""
    return f"{words}{ran}{f': {_cut(said)}' if said else ''}{f', in {line}' if line else ''}"


def ending_facts(last: LastExit) -> Iterator[Fact]:
    """What is known of the end; of the last words the first lines of a panic, else the last ones."""
    yield Fact(what="last exit", value=last.reason.value)
    if last.crash is not None:
        yield from _crash_facts(last.crash)
    if last.code is not None:
        yield Fact(what="exit code", value=last.code)
    if last.signal:
        yield Fact(what="signal", value=last.signal)
    if last.uptime_s is not None:
        yield Fact(what="it had run", value=last.uptime_s, unit="s")
    if last.at is not None:
        yield Fact(what="ended at", value=moment(last.at))
    if last.core_dumped:
        yield Fact(what="core dumped", value=True)
    if said := _last_words(last):
        yield Fact(what="last words", value=said)


def _crash_facts(crash: Crash) -> Iterator[Fact]:
    yield Fact(what="crash", value=crash.kind.value)
    if crash.at is not None:
        yield Fact(what="in", value=at(crash.at))
    if crash.created_by is not None and crash.goroutine is not None:
        yield Fact(what=f"goroutine {crash.goroutine} was started in", value=at(crash.created_by))
    if crash.causes:
        yield Fact(what="first panic", value=_cut(crash.causes[0].message))


def _last_words(last: LastExit) -> str:
    lines = [line.strip() for line in last.last_words.splitlines() if line.strip()]
    dumped = bool(last.signal) and last.last_words.startswith(f"{last.signal}: ")  # by the runtime of Go
    first = dumped or last.reason in (ExitReason.PANIC, ExitReason.FATAL_ERROR)
    return _cut(" | ".join(lines[:_MOST_LINES] if first else lines[-_MOST_LINES:]), first=first)


def _cut(text: str, *, first: bool = True) -> str:
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"{text[: _MOST_CHARACTERS - 2]} …" if first else f"… {text[-(_MOST_CHARACTERS - 2) :]}"
