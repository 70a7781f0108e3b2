"""NATS as the application sees it: what an agent may ask in the account of the services, through the observer."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from diagmesh.contract.wire import Blind
from diagmesh.errors import BusError, NoAnswer, NoObserver, NoResponders, NotPermitted

__all__ = ["OBSERVER_FIX", "AppNats", "AppReply", "NoAppNats", "cannot_ask", "permit"]

OBSERVER_FIX: Final = (
    "add a table [targets.nats] with url and nkey_file of the observer role in the application's account"
    " (deploy/nats/PERMISSIONS.md)"
)


class AppReply(msgspec.Struct, frozen=True, gc=False):
    """A message that came to us. ``headers`` keep the case of their names."""

    subject: str
    data: bytes
    headers: Mapping[str, str] = {}


class AppNats(Protocol):
    """The observer connection of one instance (``target.nats``). It reads; every wait is bounded."""

    @property
    def there(self) -> bool:
        """Whether the settings give such a connection at all (not whether it stands now)."""
        ...

    @property
    def state(self) -> str:
        """Where it stands: ``connected``, or the reason why it is not, in words."""
        ...

    @property
    def server(self) -> str:
        """Name of the server that it is connected to; empty while it is not."""
        ...

    @property
    def unheard(self) -> Mapping[str, str]:
        """What we want to `listen` to and the server does not permit, and why, by subject."""
        ...

    async def request(
        self, subject: str, data: bytes = b"", *, timeout_s: float = 1.0, headers: Mapping[str, str] | None = None
    ) -> AppReply:
        """Ask, and take the first answer.

        Raises:
            NoObserver: the settings give no such connection (501, with the way to enable it).
            BusError: as `diagmesh.bus.core.Bus.request`; see `cannot_ask`.
        """
        ...

    async def gather(
        self,
        subject: str,
        data: bytes = b"",
        *,
        timeout_s: float = 1.0,
        quiet_s: float = 0.1,
        most: int = 64,
        headers: Mapping[str, str] | None = None,
        reply_header: str = "",
    ) -> Sequence[AppReply]:
        """Ask, and take every answer until nobody else answers: one of each server of a cluster, say.

        Args:
            subject: where to.
            data: the body.
            timeout_s: for all of it.
            quiet_s: how long no further answer must come until we stop to listen (four times the slowest at least).
            most: so many answers are kept.
            headers: of the message.
            reply_header: a header that names our inbox, instead of the reply subject (``Nats-Trace-Dest``). Nothing
                that comes is an empty result then, not an error.

        Raises:
            NoObserver: as `request`.
            BusError: as `request`; `NoAnswer` when nothing came.
        """
        ...

    async def listen(self, subject: str, hear: Callable[[AppReply], None]) -> Callable[[], Awaitable[None]]:
        """Hear what is published on a subject (advisories), also over later connections; returns what ends it.

        ``hear`` is called for each message, in order, in the event loop: it must be quick, and keep a bounded number.

        Raises:
            NoObserver: as `request`.
        """
        ...


class NoAppNats:
    """The observer of an instance whose settings give none: every question says what to add.

    Args:
        name: SERVICE/INSTANCE.
    """

    there = False
    state = "the settings give no connection in the application's account"
    server = ""
    unheard: Mapping[str, str] = {}

    def __init__(self, name: str) -> None:
        self._name = name

    async def request(
        self,
        subject: str,  # noqa: ARG002
        data: bytes = b"",  # noqa: ARG002
        *,
        timeout_s: float = 1.0,  # noqa: ARG002
        headers: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> AppReply:
        """Never: see `AppNats.request`.

        Raises:
            NoObserver: always.
        """
        raise self._refusal()

    async def gather(
        self,
        subject: str,  # noqa: ARG002
        data: bytes = b"",  # noqa: ARG002
        *,
        timeout_s: float = 1.0,  # noqa: ARG002
        quiet_s: float = 0.1,  # noqa: ARG002
        most: int = 64,  # noqa: ARG002
        headers: Mapping[str, str] | None = None,  # noqa: ARG002
        reply_header: str = "",  # noqa: ARG002
    ) -> Sequence[AppReply]:
        """Never: see `AppNats.gather`.

        Raises:
            NoObserver: always.
        """
        raise self._refusal()

    async def listen(
        self,
        subject: str,  # noqa: ARG002
        hear: Callable[[AppReply], None],  # noqa: ARG002
    ) -> Callable[[], Awaitable[None]]:
        """Never: see `AppNats.listen`.

        Raises:
            NoObserver: always.
        """
        raise self._refusal()

    def _refusal(self) -> NoObserver:
        return NoObserver(
            f"the sidecar of {self._name} has no connection in the application's account", hint=OBSERVER_FIX
        )


def permit(error: NotPermitted, subject: str, role: str = "the role of target.nats") -> str:
    """What to do about a question that the server did not permit.

    Args:
        error: the refusal: of the question, or of the inbox in which its answer would arrive.
        subject: what was asked.
        role: whose question it was.
    """
    if error.subject.startswith("_INBOX"):
        return f"set its inbox_prefix: {role} has an inbox of its own (the observer of diagmesh init: _INBOX_observer)"
    return f"allow {role} to publish on {subject}"


def cannot_ask(error: BusError, what: str, subject: str) -> Blind:
    """What is not seen because a question through the observer failed, why, and what to do about it.

    Args:
        error: how it failed.
        what: what is not seen, in the words of the answer (``connections as the server sees them``).
        subject: what was asked.
    """
    if isinstance(error, NotPermitted):
        return Blind(what=what, why=str(error), fix=permit(error, subject))
    if isinstance(error, NoResponders):
        why = f"nobody answers {subject} in the account of target.nats"
        fix = "see whether target.nats names the account of the service, and the server has a system_account"
        return Blind(what=what, why=why, fix=fix)
    if isinstance(error, NoAnswer):
        return Blind(what=what, why=str(error), fix="ask again; if that lasts, see whether the server is overloaded")
    why = f"our connection to the application's account: {str(error) or type(error).__name__}"
    return Blind(what=what, why=why, fix="check target.nats in the settings and the server that it names")
