"""The connections of the neighbour to NATS: those that it should have, those that it was seen with."""

from collections.abc import Collection, Sequence
from typing import Any, Final, Protocol

from diagmesh.contract.answers.connection import Door

__all__ = ["MetConnections", "NatsDoors"]

_MOST_MET: Final = 256


class NatsDoors(Protocol):
    """The NATS servers that the instance should connect to, as the settings name them."""

    @property
    def source(self) -> str:
        """Which table names them: ``target.connection`` or ``target.nats``."""
        ...

    @property
    def client_name(self) -> str:
        """What the service calls its connections; empty where the settings do not say it."""
        ...

    @property
    def answers(self) -> Collection[str]:
        """The subscriptions on which the service must answer, as the settings say it."""
        ...

    async def knock(self, timeout_s: float, pings: int) -> Sequence[Door]:
        """Knock at each of them, side by side, with one short connection. Never raises for what they do."""
        ...


class MetConnections:
    """The NATS connections that this instance was seen with: by these, ended ones of it are known later. Bounded."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, int], None] = {}
        self.names: dict[str, None] = {}
        self.addresses: dict[str, None] = {}

    def remember(self, server_id: str, cid: int, name: str, address: str) -> None:
        """One that it has now: where, its name, and the address from which the server sees it come."""
        given: tuple[tuple[dict[Any, None], Any], ...] = (
            (self.keys, (server_id, cid)),
            (self.names, name),
            (self.addresses, address),
        )
        for kept, key in given:
            if key:
                kept.pop(key, None)
                kept[key] = None
                if len(kept) > _MOST_MET:
                    del kept[next(iter(kept))]
