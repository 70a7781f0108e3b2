"""What every table of the settings has in common."""

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["Port", "Seconds", "Table"]

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Port = Annotated[int, Meta(ge=1, le=65_535)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every settings table: frozen, and a key that it does not know is an error."""
