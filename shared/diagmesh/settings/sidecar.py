"""A sidecar."""

from typing import Annotated

from msgspec import Meta

from diagmesh.contract.labels import check_labels
from diagmesh.errors import BadName
from diagmesh.settings.nats import NatsSettings
from diagmesh.settings.rules import RuleSettings
from diagmesh.settings.table import Table
from diagmesh.settings.target import TargetSettings

__all__ = ["SidecarSettings"]


class SidecarSettings(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sidecar: its connection, what it stands beside, and its limits.

    Args:
        nats: the connection of every instance that has none of its own under ``connections``.
        connections: per service, where one sidecar serves several services with different credentials.
        targets: the instances (``[[targets]]`` in TOML).
        labels: of all of them (``DIAGMESH_LABELS=zone=a,version=1.2``); a target's own win.
        heartbeat_s: pace of the heartbeats.
        concurrency: questions in work at a time per instance, over all kinds.
        disable: kinds that are not served.
        rules: thresholds and suppressions for the findings in its answers.
        operators: public nkeys whose signed control requests it accepts; none by default, which closes control.
        control: the control kinds that they may use (``log-level``); none by default.
        log_level: of our own log on standard error.
        alive_file: touched every 5 s while the process works, for whoever probes it by the file's age; none by default.
    """

    nats: NatsSettings = NatsSettings()
    connections: dict[str, NatsSettings] = {}
    targets: tuple[TargetSettings, ...] = ()
    labels: dict[str, str] = {}
    heartbeat_s: Annotated[float, Meta(ge=0.1, le=300)] = 5.0
    concurrency: Annotated[int, Meta(ge=1, le=1024)] = 32
    disable: tuple[str, ...] = ()
    rules: tuple[RuleSettings, ...] = ()
    operators: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    log_level: str = "info"
    alive_file: str = ""

    def __post_init__(self) -> None:
        """Nobody has more labels than one may have, with those of all targets counted."""
        try:
            check_labels(self.labels)
            for target in self.targets:
                check_labels(self.labels_of(target))
        except BadName as error:
            raise ValueError(str(error)) from None

    def labels_of(self, target: TargetSettings) -> dict[str, str]:
        """The labels of one target, with those of all of them."""
        return {**self.labels, **target.labels}
