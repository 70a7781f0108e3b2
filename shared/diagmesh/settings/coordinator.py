"""A coordinator, and what it writes down."""

from typing import Annotated, Literal

from msgspec import Meta

from diagmesh.settings.nats import CoordinatorNatsSettings
from diagmesh.settings.rules import RuleSettings
from diagmesh.settings.table import Seconds, Table

__all__ = ["CoordinatorSettings", "RegistrySettings"]


class RegistrySettings(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a coordinator writes down, so that the next one knows whom to expect: a key-value bucket of JetStream.

    Args:
        keep: ``auto`` where JetStream can be used, ``required`` to be warned while it cannot, or ``off``.
        bucket: its name; the permissions of ``diagmesh init`` are for the default.
    """

    keep: Literal["auto", "off", "required"] = "auto"
    bucket: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "diag_registry"


class CoordinatorSettings(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A coordinator.

    Args:
        nats: its connection.
        instance: its name; default: host name with a suffix.
        forget_after_s: how long a lost instance stays expected.
        replicas: per service, how many instances there should be.
        coordinators: how many coordinators there should be; 0 leaves it open.
        deadline_s: how long a fan-out waits for the last answer by default.
        heartbeat_s: pace of its own heartbeats.
        concurrency: mesh questions in work at a time.
        rules: thresholds and suppressions for ``diag.mesh.check``.
        operators: public nkeys whose signed control requests it accepts; none by default, which closes control.
        control: the control kinds that they may use (``forget``, ``log-level``).
        metrics: where Prometheus may scrape it: ``HOST:PORT``, or ``PORT`` of the loopback address; off by default.
        alive_file: as of a sidecar.
        registry: what it remembers beyond its own life.
    """

    nats: CoordinatorNatsSettings = CoordinatorNatsSettings()
    instance: str = ""
    forget_after_s: Seconds = 900.0
    replicas: dict[str, Annotated[int, Meta(ge=0, le=100_000)]] = {}
    coordinators: Annotated[int, Meta(ge=0, le=64)] = 0
    deadline_s: Annotated[float, Meta(gt=0, le=60)] = 2.0
    heartbeat_s: Annotated[float, Meta(ge=0.1, le=300)] = 5.0
    concurrency: Annotated[int, Meta(ge=1, le=1024)] = 64
    operators: tuple[str, ...] = ()
    control: tuple[str, ...] = ("forget",)
    rules: tuple[RuleSettings, ...] = ()
    log_level: str = "info"
    metrics: str = ""
    alive_file: str = ""
    registry: RegistrySettings = RegistrySettings()
