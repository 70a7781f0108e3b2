"""The door to the monitoring endpoint of a nats-server; costs nothing where the settings name none."""

from diagmesh.monitoring import MonitorDoor, NoMonitorDoor
from diagmesh.settings import NatsServerSettings

__all__ = ["monitor_of"]


def monitor_of(settings: NatsServerSettings | None, name: str, where: str = "nats_server") -> MonitorDoor:
    """The door that the settings describe.

    Args:
        settings: the table ``[targets.nats_server]``, if there is one.
        name: SERVICE/INSTANCE, for messages.
        where: the key of the table, for messages.

    Raises:
        SettingsError: a value is wrong; the message names its key and never repeats a secret.
    """
    if settings is None:
        return NoMonitorDoor(name)
    from diagmesh.adapters.natsmon.http import HttpMonitorDoor  # noqa: PLC0415  few neighbours are a nats-server

    return HttpMonitorDoor(settings, where)
