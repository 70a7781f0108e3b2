"""Settings: frozen structs, a TOML file then the environment, parsed once; every error names its key."""

from diagmesh.settings.coordinator import CoordinatorSettings, RegistrySettings
from diagmesh.settings.nats import ConnectionSettings, CoordinatorNatsSettings, NatsSettings
from diagmesh.settings.pages import GoSettings, NatsServerSettings
from diagmesh.settings.probes import ProbeSettings
from diagmesh.settings.reading import load
from diagmesh.settings.rules import RuleSettings
from diagmesh.settings.sidecar import SidecarSettings
from diagmesh.settings.streams import StreamsSettings
from diagmesh.settings.target import TargetSettings

__all__ = [
    "ConnectionSettings",
    "CoordinatorNatsSettings",
    "CoordinatorSettings",
    "GoSettings",
    "NatsServerSettings",
    "NatsSettings",
    "ProbeSettings",
    "RegistrySettings",
    "RuleSettings",
    "SidecarSettings",
    "StreamsSettings",
    "TargetSettings",
    "load",
]
