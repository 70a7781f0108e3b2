"""Which demo services `up` runs: those in Go, else stand-ins in Python, or none; and how each is started."""

import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from diagmesh_cli.local.children import Family
from diagmesh_cli.local.godemo import NoGoDemo, build

__all__ = ["Demo", "Wish", "choose", "python"]

_BOTH: Final = (("orders", "i1"), ("orders", "i2"), ("payments", "i1"))
_LOAD_PER_S: Final = "20"


class Wish(StrEnum):
    """What was asked for."""

    AUTO = "auto"
    GO = "go"
    PYTHON = "python"
    NONE = "none"


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """The demo services of one `up`.

    Args:
        told: what they are, and why not in Go where they are not.
        instances: service and instance of each.
        programs: the folder of those in Go; None for the stand-ins.
        harm: what the fault does that is offered to be tried out.
        order: subject and body that turn it on.
        streams: by service, the streams and consumers that it uses, as ``names`` in ``[targets.streams]``.
    """

    told: str
    instances: tuple[tuple[str, str], ...] = ()
    programs: Path | None = None
    harm: str = ""
    order: tuple[str, str] = ("", "")
    streams: Mapping[str, tuple[str, ...]] = {}

    def command(self, service: str) -> list[str]:
        """The program of a service, without its flags."""
        if self.programs is not None:
            return [str(self.programs / service)]
        return python(f"diagmesh_lab.demo.{service}")

    @property
    def load(self) -> list[str]:
        """The program that makes orders, if that is one of its own."""
        return [str(self.programs / "load"), "--rate", _LOAD_PER_S] if self.programs is not None else []


def python(module: str, *arguments: str) -> list[str]:
    """The command line of one of our own programs."""
    return [sys.executable, "-P", "-m", module, *arguments]


async def choose(wish: Wish, family: Family, tell: Callable[[str], None]) -> Demo:
    """What was wished for, built if need be.

    Raises:
        NoGoDemo: it was to be Go, and is not to be had.
    """
    match wish:
        case Wish.NONE:
            return Demo(told="no demo services")
        case Wish.PYTHON:
            return _stand_ins("Python stand-ins")
        case Wish.GO:
            return await _go(family, tell)
    try:
        return await _go(family, tell)
    except NoGoDemo as lack:
        return _stand_ins(f"Python stand-ins, not the Go services: {lack}")


def _stand_ins(told: str) -> Demo:
    return Demo(told=told, instances=_BOTH, harm="Make payments slow", order=("demo.payments.slow", "400"))


async def _go(family: Family, tell: Callable[[str], None]) -> Demo:
    built = await build(family, tell)
    return Demo(
        told=f"Go services of deploy/demo, built with {built.version}",
        instances=(*_BOTH, ("inventory", "i1")),
        streams={"orders": ("ORDERS",), "inventory": ("ORDERS/inventory",)},
        programs=built.folder,
        harm="Lock up the store of payments",
        order=("demo.payments.fault", '{"fault":"hold-lock"}'),
    )
