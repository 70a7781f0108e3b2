"""The monitoring endpoint of a nats-server, as an agent may see it: what it replies now, and what it replied before."""

from collections.abc import Mapping, MutableSequence
from typing import Final, NamedTuple, NoReturn, Protocol

from diagmesh.errors import NotConfigured, Unavailable

__all__ = ["PREFLIGHT", "MonitorDoor", "MonitorReply", "NoMonitorDoor", "Seen"]

PREFLIGHT: Final = "diag-preflight/"
"""How the attempts of the agent ``connection`` begin their names: they are meant to come and go."""

_HINT: Final = (
    'add a table [targets.nats_server] with monitor = "http://127.0.0.1:8222" to {name} in the settings of the'
    " sidecar that stands beside the nats-server (its own settings: http: 127.0.0.1:8222), or with the table system:"
    " url and nkey_file of a user of the system account (deploy/nats/README.md)"
)


class MonitorReply(NamedTuple):
    """One reply.

    Args:
        status: of HTTP.
        body: as it came.
    """

    status: int
    body: bytes


class Seen(NamedTuple):
    """What is kept of a look, to compare the next one with.

    Args:
        at: monotonic seconds.
        server: id of the run of the server.
        counters: by name; what they count goes on from look to look.
    """

    at: float
    server: str
    counters: Mapping[str, float]


class MonitorDoor(Protocol):
    """The way to what one nats-server says of itself: its monitoring endpoint, or its system account."""

    @property
    def place(self) -> str:
        """Where it is, without secrets."""
        ...

    @property
    def past(self) -> MutableSequence[Seen]:
        """Earlier looks, the oldest first; bounded."""
        ...

    async def ask(self, path: str, *, timeout_s: float = 2.0, limit_bytes: int = 8 << 20) -> MonitorReply:
        """Fetch one reply: no proxy, no redirect followed.

        Args:
            path: with its query, as over HTTP (``varz``, ``connz?sort=pending``).
            timeout_s: for all of it.
            limit_bytes: a longer reply is refused.

        Raises:
            Unavailable: nothing can be had from there (503), or the settings name no place (501).
        """
        ...

    async def accepts(self, port: int, *, timeout_s: float = 1.0) -> bool | None:
        """Whether a port of the same host takes a connection; None where the host is not surely known."""
        ...


class NoMonitorDoor:
    """Of targets whose settings name no monitoring endpoint: every question says what to add."""

    place = ""

    def __init__(self, name: str) -> None:
        self._name = name
        self.past: list[Seen] = []

    def _refuse(self) -> NoReturn:
        raise NotConfigured("the settings name no nats-server", hint=_HINT.format(name=self._name))

    async def ask(self, path: str, *, timeout_s: float = 2.0, limit_bytes: int = 8 << 20) -> MonitorReply:
        """Refuse."""
        del path, timeout_s, limit_bytes
        self._refuse()

    async def accepts(self, port: int, *, timeout_s: float = 1.0) -> bool:
        """Refuse."""
        del port, timeout_s
        self._refuse()


def unreachable(where: str, why: str, hint: str = "") -> Unavailable:
    """What is raised when nothing can be had from there.

    Args:
        where: the place, without secrets.
        why: in words.
        hint: what to do.
    """
    usual = "see whether the nats-server runs, and whether monitor in [targets.nats_server] is where it listens"
    return Unavailable(f"{where}: {why}", code=503, hint=hint or usual)
