"""The directory as a coordinator tells it: who is there, who should be, who is missing and why."""

from datetime import datetime
from enum import StrEnum

import msgspec

from diagmesh.contract.mesh import Ended
from diagmesh.contract.selector import Labels
from diagmesh.contract.wire import Answer, Question

__all__ = [
    "CoordinatorEntry",
    "InstanceEntry",
    "InstanceState",
    "Registry",
    "RegistryState",
    "Rival",
    "ServiceEntry",
    "Services",
    "ServicesQuestion",
]


class InstanceState(StrEnum):
    """Where an instance stands in the directory; speaks of its sidecar, not of the service."""

    LIVE = "live"
    SILENT = "connected but silent"
    NOT_CONNECTED = "not connected"
    UNKNOWN = "unknown"


class Rival(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One of several sidecars that live under one name at the same time; a restart makes no rivals.

    Args:
        boot: id of its start.
        host: where it runs.
    """

    boot: str
    host: str = ""


class InstanceEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One instance in the directory.

    Args:
        labels_problem: why the labels that its sidecar told are not taken in; empty when they are.
        rivals: all that live under this name, where they are more than one; the newest last.
    """

    instance: str
    state: InstanceState
    reason: str = ""
    boot: str = ""
    host: str = ""
    server: str = ""
    version: str = ""
    kinds: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    labels_problem: str = ""
    last_seen: datetime | None = None
    interval_s: float | None = None
    rivals: tuple[Rival, ...] = ()


class ServiceEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One service in the directory.

    Args:
        declared: how many replicas the settings ask for.
        lacking: how many of the declared are neither live nor lost by name.
    """

    service: str
    instances: tuple[InstanceEntry, ...] = ()
    declared: int | None = None
    lacking: int = 0


class CoordinatorEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One coordinator, as the answering one sees it.

    Args:
        self: the one that answers.
        state: where it stands; the lost are listed for as long as lost instances are.
        reason: what that means; empty for the live.
    """

    instance: str
    boot: str
    host: str = ""
    server: str = ""
    version: str = ""
    last_seen: datetime | None = None
    self: bool = False
    state: InstanceState = InstanceState.LIVE
    reason: str = ""


class RegistryState(StrEnum):
    """Whether what must survive a coordinator is written down (the bucket ``diag_registry``)."""

    KEPT = "kept"
    DEGRADED = "degraded"
    OFF = "off"


class Registry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How the answering coordinator remembers who is expected.

    Args:
        state: ``kept``; ``degraded`` while it cannot be read or written; ``off`` where there is none.
        reason: why it is not kept.
        since: when the state began.
        pending: changes that are not written yet.
        required: whether the settings insist on it.
        notes: values that could not be read, and other doubts; at most 10.
    """

    state: RegistryState
    reason: str = ""
    since: datetime | None = None
    pending: int = 0
    required: bool = False
    notes: tuple[str, ...] = ()


class ServicesQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """``diag.mesh.services``: which part of the directory.

    Args:
        services: service names; empty means all.
        labels: as in any question to the mesh; what is lacking of the declared replicas has none.
    """

    services: tuple[str, ...] = ()
    labels: Labels = {}


class Services(Answer, frozen=True, kw_only=True, omit_defaults=False, gc=False):
    """``diag.mesh.services``: who is there, who should be, who is missing and why.

    Args:
        ended: ``warming`` until a fresh coordinator has heard one heartbeat interval.
        problems: two processes under one name, and other things that make the directory doubtful.
        coordinators: this one and the others, live or lost.
        coordinators_declared: how many there should be, by the settings.
        coordinators_lacking: how many of these were never heard of, or left.
        registry: whether a coordinator that starts anew would know whom to expect.
    """

    services: tuple[ServiceEntry, ...] = ()
    live: int = 0
    missing: int = 0
    kinds: tuple[str, ...] = ()
    coordinators: tuple[CoordinatorEntry, ...] = ()
    coordinators_declared: int | None = None
    coordinators_lacking: int = 0
    ended: Ended = Ended.COMPLETE
    problems: tuple[str, ...] = ()
    registry: Registry | None = None
