"""What is written down of a chaos soak: every fault with whom it hit, every request with what came of it."""

from typing import Final

import msgspec

__all__ = ["Asked", "Fault", "Silence", "server_name"]

_SERVER: Final = "server "


def server_name(node: str) -> str:
    """How a ledger calls a NATS server."""
    return _SERVER + node


class Fault(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One act of the monkey. Times are seconds of the monotonic clock, which all processes of the machine share.

    Args:
        number: in the order of the acts.
        act: ``kill``, ``freeze`` or ``lame duck``.
        what: ``service/instance``, ``mesh/instance`` or ``server NODE``.
        at: just before it was done.
        hit: whom it hit: itself; of a server also everyone that was connected to it.
        over: when it was undone (thawed, or a new process started); None: not yet.
        back: when each of them was seen to be connected and subscribed again.
    """

    number: int
    act: str
    what: str
    at: float
    hit: tuple[str, ...]
    over: float | None = None
    back: dict[str, float] = {}

    @property
    def of_server(self) -> bool:
        """Whether it hit a NATS server and everybody on it."""
        return self.what.startswith(_SERVER)


class Silence(msgspec.Struct, frozen=True):
    """One who was named as silent, with the reason given."""

    name: str
    reason: str


class Asked(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One request and what came of it.

    Args:
        how: ``any`` (one of a service), ``named`` (one instance), ``each`` (all of a service, by subject), ``mesh``
            (summed up), ``all`` (with every single reply), ``directory``, ``cli`` or ``nats`` (the commands).
        asker: name of the connection.
        at: when it was asked, monotonic seconds.
        took_s: until its end.
        budget_s: the longest that it may take.
        lag_s: the longest that the asker itself was held up meanwhile; added to the budget.
        service: whom it asked; empty: everybody.
        instance: the same.
        error: the class of the error; empty when there was an answer.
        detail: its words.
        by: the coordinator that answered; empty when none did.
        heard: who answered, by name; None where only their number is known.
        answered: how many answered.
        silent: who was named as silent.
        unexpected: replies that were not counted, in words; a second answer of one instance is among them.
        ended: why the gather stopped.
    """

    how: str
    asker: str
    at: float
    took_s: float = 0.0
    budget_s: float = 0.0
    lag_s: float = 0.0
    service: str = ""
    instance: str = ""
    error: str = ""
    detail: str = ""
    by: str = ""
    heard: tuple[str, ...] | None = None
    answered: int = 0
    silent: tuple[Silence, ...] = ()
    unexpected: tuple[str, ...] = ()
    ended: str = ""

    @property
    def until(self) -> float:
        """When it ended."""
        return self.at + self.took_s

    @property
    def by_command(self) -> bool:
        """Whether a command asked, over a connection of its own."""
        return self.how in ("cli", "nats")

    @property
    def of_coordinator(self) -> bool:
        """Whether a coordinator was asked."""
        return self.how in ("mesh", "all", "directory", "cli", "nats")
