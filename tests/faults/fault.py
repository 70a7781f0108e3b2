"""What a row of the table is: how a fault is made, which finding names it, how it is taken back."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from diagmesh.settings import RuleSettings
from faults.mesh import Copy
from faults.places import Place

__all__ = ["Fault", "off", "on"]

Act = Callable[[Copy, Path], None]
"""Does something to the copy; may block. The folder is that of the fault."""


def on(switch: str, **words: Any) -> Act:
    """Turn a switch of the demo on, for longer than anybody waits here."""
    return lambda copy, _: _turned(copy, switch, **{"for_s": 300, **words})


def off(switch: str) -> Act:
    """Turn it off again."""
    return lambda copy, _: _turned(copy, switch, on=False)


def _turned(copy: Copy, switch: str, **words: Any) -> None:
    copy.service.turn(switch, **words)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault, made on a fresh copy of a service on a mesh that is else well.

    Args:
        name: also that of the copy.
        does: what is done, in a few words.
        inject: makes it.
        remove: takes it back; None where only taking the copy out of service does.
        codes: the findings that name it, and no other may be seen; empty when no rule does yet.
        may: codes that are right too for a moment, on the way there or back.
        family: which family of codes will name it, where none does yet.
        service: of which it needs a copy.
        flags: of its program.
        place: where it runs.
        limits: thresholds for this copy, by code: those that ask for more patience than we have.
        siblings: so many more copies beside it.
        launched: flags of the launcher that starts it; None where a sidecar is put beside it.
        race: its program is built with ``-race``.
        alone: nothing else may go on meanwhile, for it concerns the machine or everybody's questions.
        also: others at whom its findings may be told, too.
        by_asked: whichever coordinator is asked tells it, of itself only: at one of ``also`` it is found as well.
        sampled: it and the untouched copies are judged by the rules that sample, too.
        observed: its sidecar is told which stream the service uses, and looks at it by itself.
        quick: it is among those that run as a test.
        server: configuration of a nats-server of its own, on which a `faults.shop.Shop` works; None for the demo.
        client: what that one does, see `support.linked.service`; ``peers``: so many more servers in a cluster.
    """

    name: str
    does: str
    inject: Act
    remove: Act | None = None
    codes: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    family: str = ""
    service: str = "payments"
    flags: tuple[str, ...] = ()
    place: Place | None = None
    limits: Mapping[str, Mapping[str, float]] = {}
    siblings: int = 0
    launched: tuple[str, ...] | None = None
    race: bool = False
    alone: bool = False
    also: tuple[str, ...] = ()
    by_asked: bool = False
    sampled: bool = False
    observed: bool = False
    quick: bool = False
    server: str | None = None
    client: Mapping[str, Any] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """SERVICE/INSTANCE of its copies, and of its nats-server."""
        own = (f"{self.service}/{self.name}-server",) if self.server is not None else ()
        return (*(f"{self.service}/{one}" for one in self.instances), *own)

    def at(self, code: str) -> tuple[str, ...]:
        """Who of these is judged by a rule: the nats-server by those of servers, the others by the rest."""
        return tuple(name for name in self.names if name.endswith("-server") == code.startswith("SRV-"))

    @property
    def instances(self) -> tuple[str, ...]:
        """The names of its copies, the broken one first."""
        return (self.name, *(f"{self.name}-{number}" for number in range(1, self.siblings + 1)))

    @property
    def settings(self) -> tuple[RuleSettings, ...]:
        """Its thresholds as the coordinator reads them."""
        named = tuple(f"{self.service}/{one}" for one in self.instances)
        return tuple(
            RuleSettings(code=code, instances=named, limits=dict(limits)) for code, limits in self.limits.items()
        )
