"""How a `health` answer tells whether there is a process to speak of; what several rules need to know."""

from enum import StrEnum
from typing import Final

from diagmesh.contract.answers.health import Check, Health, Verdict
from diagmesh.contract.answers.resources import ProcessState

__all__ = ["Standing", "failing", "probes", "process_check", "standing", "unready", "unseen", "why_blind"]

_HELD: Final = frozenset({ProcessState.STOPPED, ProcessState.TRACED})
_NOT_READY: Final = 503
"""What a readiness page says by convention; over NATS the code of a service error (ADR-32)."""


class Standing(StrEnum):
    """What there is of the process; exactly one of these, so that one fault has one code."""

    THERE = "there"
    GONE = "gone"
    HELD = "held"
    BLIND = "blind"


def process_check(health: Health) -> Check | None:
    """The look at the process itself; None where the answer leaves out what passes (``brief``)."""
    return next((check for check in health.checks if (check.name, check.kind) == ("process", "process")), None)


def standing(health: Health) -> Standing:
    """Whether the process is there, gone, held (alive, but running no code), or could not be judged."""
    check = process_check(health)
    verdict = Verdict.PASS if check is None and health.pid is not None else check and check.verdict
    match verdict:
        case Verdict.PASS:
            return Standing.THERE
        case Verdict.FAIL:
            return Standing.HELD if health.process_state in _HELD else Standing.GONE
        case _:
            return Standing.BLIND


def why_blind(health: Health) -> str:
    """Why the process could not be judged."""
    check = process_check(health)
    return (check.reason if check is not None else "") or "the answer does not say what became of its process"


def probes(health: Health) -> tuple[Check, ...]:
    """The doors that were knocked at: every check that is not a look at the process."""
    return tuple(check for check in health.checks if check.kind != "process")


def failing(health: Health) -> tuple[Check, ...]:
    """The probes that fail, the required ones first; not those that say "not ready", for somebody is at that door."""
    return tuple(check for check in _failed(health) if check.status_code != _NOT_READY)


def unready(health: Health) -> tuple[Check, ...]:
    """The probes that fail because the instance itself says that it is not ready, the required ones first."""
    return tuple(check for check in _failed(health) if check.status_code == _NOT_READY)


def unseen(health: Health) -> str:
    """Why probes could not be judged; empty when all were."""
    return "; ".join(f"{check.name}: {check.reason}" for check in probes(health) if check.verdict is Verdict.BLIND)


def _failed(health: Health) -> list[Check]:
    return sorted((one for one in probes(health) if one.verdict is Verdict.FAIL), key=lambda one: not one.required)
