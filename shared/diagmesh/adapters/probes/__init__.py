"""Doors to knock at: HTTP(S), TCP, NATS request and ``$SRV.PING``, made of the settings, wrong ones refused at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from diagmesh.adapters.probes.door import Door
from diagmesh.adapters.probes.http import HttpDoor
from diagmesh.adapters.probes.nats import NatsDoor
from diagmesh.adapters.probes.shared import Shared
from diagmesh.adapters.probes.srv import SrvDoor
from diagmesh.adapters.probes.tcp import TcpDoor
from diagmesh.errors import SettingsError
from diagmesh.settings import ProbeSettings
from diagmesh.target import Probe

if TYPE_CHECKING:  # the caller brings the bus
    from diagmesh.bus.core import Bus

__all__ = ["make", "make_all"]

_ONLY_HTTP: Final = ("expect_status", "expect_body", "tls_ca_file", "headers")


def make(settings: ProbeSettings, bus: "Bus | None" = None, *, where: str = "probe", instance: str = "") -> Probe:
    """The probe that the settings describe; looks that are asked for at the same time are shared.

    Args:
        settings: one table of ``probes``.
        bus: the observer connection in the account of the application (``target.nats``); without it ``nats`` and
            ``srv`` probes cannot judge, and say so.
        where: the key of the table, for messages (``targets[0].probes[1]``).
        instance: the name of the watched instance, by which ``srv`` tells it from its siblings.

    Raises:
        SettingsError: a value is wrong; the message names its key and never repeats a secret.
    """
    if not settings.http:
        for key in _ONLY_HTTP:
            if getattr(settings, key):
                raise SettingsError(f"{where}.{key}: means nothing without http")
    if settings.tls_ca_file and not settings.http.lower().startswith("https:"):
        raise SettingsError(f"{where}.tls_ca_file: means nothing without an https URL")
    return Shared(_door(settings, bus, where, instance))


def make_all(
    settings: Sequence[ProbeSettings], bus: "Bus | None" = None, *, where: str = "probes", instance: str = ""
) -> tuple[Probe, ...]:
    """All probes of one target.

    Raises:
        SettingsError: as `make`, or two of them have the same name.
    """
    probes: dict[str, Probe] = {}
    for position, each in enumerate(settings):
        key = f"{where}[{position}]"
        probe = make(each, bus, where=key, instance=instance)
        if probe.name in probes:
            raise SettingsError(f"{key}.name: a second probe named {probe.name!r}; give each its own name")
        probes[probe.name] = probe
    return tuple(probes.values())


def _door(settings: ProbeSettings, bus: "Bus | None", where: str, instance: str) -> Door:
    if settings.http:
        return HttpDoor(settings, where)
    if settings.tcp:
        return TcpDoor(settings, where)
    if settings.nats:
        return NatsDoor(settings, where, bus)
    return SrvDoor(settings, where, bus, instance)
