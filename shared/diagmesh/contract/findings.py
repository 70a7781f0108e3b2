"""Findings: what an answer means (product.md, "The wire")."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["Advice", "Fact", "Finding", "FindingClass", "Severity"]


class Severity(StrEnum):
    """How bad it is, mildest first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the mildest."""
        return list(Severity).index(self)


class FindingClass(StrEnum):
    """The issue class that a finding belongs to."""

    CRASH = "crash"
    MEMORY_LEAK = "memory-leak"
    PERFORMANCE_DEGRADATION = "performance-degradation"
    RESOURCE_EXHAUSTION = "resource-exhaustion"
    LOGIC_ERROR = "logic-error"
    MESSAGE_LOSS = "message-loss"
    MESSAGE_DUPLICATION = "message-duplication"
    CONNECTION_FAILURE = "connection-failure"
    TIMEOUT = "timeout"
    SERIALIZATION_ERROR = "serialization-error"
    NETWORK = "network"
    DATABASE = "database"
    EXTERNAL_SERVICE = "external-service"
    CONFIGURATION = "configuration"
    DEPLOYMENT = "deployment"
    MESH = "mesh"


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One thing that was seen, with its unit, the limit it is held against, and where (when there are many)."""

    what: str
    value: float | int | str | bool | None = None
    unit: str = ""
    limit: float | None = None
    at: str = ""


class Advice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What to do at once, soon, and in the long run."""

    now: tuple[str, ...] = ()
    soon: tuple[str, ...] = ()
    later: tuple[str, ...] = ()


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A named condition, where it was seen, on what evidence, and what to do."""

    code: Annotated[str, Meta(pattern=r"^(MESH|PROC|RES|GO|PROF|RACE|NATS|JS|SRV|LOG|REQ|DEP|CHG|CFG)-[0-9]{3}$")]
    severity: Severity
    class_: FindingClass = msgspec.field(name="class")
    title: str
    instances: tuple[str, ...] = ()
    evidence: tuple[Fact, ...] = ()
    advice: Advice = msgspec.field(default_factory=Advice)
