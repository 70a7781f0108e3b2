"""The door to what a nats-server says of itself; costs nothing where the settings name none."""

from diagmesh.appnats import AppNats, NoAppNats
from diagmesh.monitoring import MonitorDoor, NoMonitorDoor
from diagmesh.settings import NatsServerSettings

__all__ = ["monitor_of"]


def monitor_of(
    settings: NatsServerSettings | None, name: str, where: str = "nats_server", system: AppNats | None = None
) -> MonitorDoor:
    """The door that the settings describe.

    Args:
        settings: the table ``[targets.nats_server]``, if there is one.
        name: SERVICE/INSTANCE, for messages.
        where: the key of the table, for messages.
        system: the connection to the system account, where the settings give one.

    Raises:
        SettingsError: a value is wrong; the message names its key and never repeats a secret.
    """
    if settings is None:
        return NoMonitorDoor(name)
    if settings.system is not None:
        from diagmesh.adapters.natsmon.account import AccountMonitorDoor  # noqa: PLC0415  likewise

        return AccountMonitorDoor(settings, system or NoAppNats(name))
    from diagmesh.adapters.natsmon.http import HttpMonitorDoor  # noqa: PLC0415  few neighbours are a nats-server

    return HttpMonitorDoor(settings, where)
