"""The door to the diagnostic pages of a Go service (`diagmesh.gopages`); costs nothing where the settings name none."""

from diagmesh.gopages import GoDoor, NoGoDoor
from diagmesh.settings import GoSettings

__all__ = ["door_of"]


def door_of(settings: GoSettings | None, name: str, where: str = "go") -> GoDoor:
    """The door that the settings describe.

    Args:
        settings: the table ``[targets.go]``, if there is one.
        name: SERVICE/INSTANCE, for messages.
        where: the key of the table, for messages (``targets[0].go``).

    Raises:
        SettingsError: a value is wrong; the message names its key and never repeats a secret.
    """
    if settings is None:
        return NoGoDoor(name)
    from diagmesh.adapters.godoor.door import HttpGoDoor  # noqa: PLC0415  most neighbours are asked for no such page

    return HttpGoDoor(settings, name, where)
