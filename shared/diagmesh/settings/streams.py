"""Which streams are those of a service."""

from typing import Annotated, Final

from msgspec import Meta

from diagmesh.settings.table import Table

__all__ = ["StreamsSettings"]

_STREAM: Final = r"^[^\s.*>/\\]{1,255}$"
_ASSET: Final = r"^[^\s.*>/\\]{1,255}(/[^\s.*>/\\]{1,255})?$"


class StreamsSettings(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which streams of the application's account are those of the service (``[targets.streams]``; needs ``nats``).

    Args:
        names: streams (``ORDERS``) and single consumers (``ORDERS/worker``); none for all of the account.
        publishes: subjects that the service publishes to, and that a stream must take.
        ids: streams whose messages may be read for their ``Nats-Msg-Id``, to find duplicates; none by default.
    """

    names: Annotated[tuple[Annotated[str, Meta(pattern=_ASSET)], ...], Meta(max_length=64)] = ()
    publishes: Annotated[tuple[Annotated[str, Meta(pattern=r"^\S{1,255}$")], ...], Meta(max_length=64)] = ()
    ids: Annotated[tuple[Annotated[str, Meta(pattern=_STREAM)], ...], Meta(max_length=8)] = ()
