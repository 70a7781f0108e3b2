"""How a row is written whose fault is made on a nats-server of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.fault import Act, Fault
from faults.mesh import SHOP, Copy
from faults.shop import USERS, Shop

__all__ = ["shop_fault"]


def _shop(act: Callable[[Shop], object]) -> Act:
    """Does something to a copy that has a server of its own."""

    def do(copy: Copy, _: Path) -> None:
        assert isinstance(copy, Shop)
        act(copy)

    return do


def shop_fault(name: str, does: str, *codes: str, inject: Callable[[Shop], object], **more: Any) -> Fault:
    """A fault of a `Shop`; ``config`` is what its server has more than its `USERS`, or ``server`` all of it."""
    remove = more.pop("remove", None)
    server = more.pop("server", USERS) + more.pop("config", "")
    return Fault(
        name=name,
        does=does,
        inject=_shop(inject),
        remove=None if remove is None else _shop(remove),
        codes=codes,
        service=SHOP,
        server=server,
        **more,
    )
