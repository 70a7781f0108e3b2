"""The control door of a sidecar's instances (``diagctl.<service>.<kind>.<instance>``): what operators may have done."""

from collections.abc import Callable
from typing import Final

from diagmesh.accept import LOG_LEVEL
from diagmesh.bus.core import Bus
from diagmesh.control_door import ControlDoor
from diagmesh.own_log import OwnLog
from diagmesh.serve import Identity
from diagmesh.settings import SidecarSettings

__all__ = ["door"]

_HOW: Final = (
    'in the settings of this sidecar: operators = ["U…"] with the public key of an operator,'
    f' control = ["{LOG_LEVEL}"] with what is allowed'
)


def door(
    bus: Bus, us: Identity, settings: SidecarSettings, own_log: OwnLog, emit: Callable[[str, str], None]
) -> ControlDoor:
    """The control door of one instance, as far open as the settings say.

    Raises:
        SettingsError: one of the operators is no public user nkey.
    """
    return ControlDoor(bus, us, [own_log.kind], settings.operators, allowed=settings.control, how=_HOW, emit=emit)
