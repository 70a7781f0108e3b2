"""What travels between an asker and a coordinator: selections and sums (the directory has a module of its own)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from diagmesh.contract.findings import Finding
from diagmesh.contract.selector import Labels
from diagmesh.contract.wire import Answer, Question, Reply, Status

__all__ = [
    "ASK_HEADER",
    "Batch",
    "Ended",
    "Field",
    "MeshAnswer",
    "MeshQuestion",
    "NotAsked",
    "PauseMs",
    "Silent",
    "Unexpected",
    "Where",
    "Worst",
]


ASK_HEADER: Final = "Diag-Ask"
"""A random id of a question to a coordinator; whoever waits for the answer can ask who works on it (`coordinator`)."""
Batch = Annotated[int, Meta(ge=1, le=100_000)]
PauseMs = Annotated[int, Meta(ge=0, le=60_000)]


class Ended(StrEnum):
    """Why a gather stopped. Only who asks himself can interrupt: a coordinator never says so."""

    COMPLETE = "complete"
    TIMEOUT = "timeout"
    LIMIT = "limit"
    CONNECTION_LOST = "connection lost"
    WARMING = "warming"
    INTERRUPTED = "interrupted"


class MeshQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The request body of ``diag.mesh.<kind>``: a selection and the common fields (the kind's own come on top).

    Only a coordinator knows who has which labels: ``diag.<service>.<kind>`` and its ``.all`` take no selection.

    Args:
        services: service names; empty means everybody.
        instances: ``instance`` or ``service/instance``.
        labels: what the labels must be: ``{"zone": "a", "tier": ["1", "2"]}`` (all of the keys, one of the values), or
            a selector as in Kubernetes: ``"zone=a,tier in (1,2),version!=1.2,!canary"``. Nobody else is asked.
        limit: stop after this many answers.
        batch: ask so many instances at a time, and of one service never more than half; the next when all of them
            answered or were given up. Who knows whom to ask asks by name: nobody beyond the directory is asked.
        pause_ms: between two batches.
        each: return the single replies too.
    """

    services: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    labels: Labels = {}
    limit: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    batch: Batch | None = None
    pause_ms: PauseMs = 0
    each: bool = False


class Where(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One instance.

    Args:
        service: of which service.
        instance: its name; empty where none is known, as of declared replicas that are missing.
    """

    service: str
    instance: str


class Silent(Where, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Somebody expected who was not heard.

    Args:
        reason: ``connected but silent``, ``not connected`` or ``unknown``, followed by what that means.
        last_seen: the last sign of life of the *sidecar*; says nothing about the service itself.
    """

    reason: str
    last_seen: datetime | None = None


class NotAsked(Where, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Somebody who is meant, or may be, and was not asked: never silent, and nothing is said about it."""

    reason: str


class Unexpected(Where, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A reply that cannot be counted: what it says of itself, and why it is not believed."""

    reason: str


class Field(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One declared field over all answers: numbers (min … max) or verdicts (counts, worst), and where it is."""

    n: int
    unit: str = ""
    min: float | None = None
    min_at: str = ""
    median: float | None = None
    p95: float | None = None
    max: float | None = None
    max_at: str = ""
    counts: dict[str, int] = {}
    worst: str = ""
    worst_at: tuple[str, ...] = ()


class Worst(Where, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The instance to look at first.

    Args:
        status: how the talk with it went.
        verdict: the worst declared verdict of its answer (``down``), if the kind has one.
        severity: of its worst finding, if there is one.
        reason: in words.
    """

    status: Status
    verdict: str = ""
    severity: str = ""
    reason: str = ""


class MeshAnswer(Answer, frozen=True, kw_only=True, omit_defaults=False, gc=False):
    """Many replies added up.

    Args:
        of: the kind that was asked.
        expected: how many should have answered.
        answered: how many expected ones replied with an answer or a problem.
        silent: the expected who were not heard, each with a reason.
        not_asked: expected ones who were not asked at all, each with a reason; never silent.
        unexpected: replies that were not counted, each with a reason.
        by_status: how many replies of each status (silent included).
        without: of the unavailable ones, those that have nothing of the kind and need not (501): no server, no Go.
        worst: whom to look at first.
        fields: what the answer type declares as aggregatable.
        findings: of all replies, worst first.
        ended: why the gather stopped.
        each: the single replies, when asked for.
        notes: anything that limits what this sum says.
        merged: all answers as one, of the type of the kind, where the kind can be told like that (``races``).
    """

    of: str
    expected: int
    answered: int
    silent: tuple[Silent, ...] = ()
    not_asked: tuple[NotAsked, ...] = ()
    unexpected: tuple[Unexpected, ...] = ()
    by_status: dict[str, int] = {}
    without: int = 0
    worst: Worst | None = None
    fields: dict[str, Field] = {}
    findings: tuple[Finding, ...] = ()
    ended: Ended = Ended.COMPLETE
    each: tuple[Reply, ...] | None = None
    notes: tuple[str, ...] = ()
    merged: Raw | UnsetType = UNSET
