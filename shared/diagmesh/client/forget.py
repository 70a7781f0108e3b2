"""Tell every coordinator, with an operator's signature, that somebody is not expected any longer."""

import asyncio
from pathlib import Path
from typing import Final

from diagmesh.bus.core import Bus
from diagmesh.client.heard import Heard
from diagmesh.client.signed import Member, signed
from diagmesh.contract.control import ForgetQuestion, Forgotten
from diagmesh.contract.directory import CoordinatorEntry, InstanceState
from diagmesh.keys import read_seed

__all__ = ["forget"]

_KIND: Final = "forget"


async def forget(
    bus: Bus, coordinators: tuple[CoordinatorEntry, ...], question: ForgetQuestion, seed_file: Path, timeout_s: float
) -> tuple[Heard[Forgotten], ...]:
    """One signed request per coordinator; each outcome is a reply, also where none came.

    Args:
        bus: our connection; its role must be allowed to publish ``diagctl.mesh.>``.
        coordinators: whom to tell, as the directory names them.
        question: who is not expected any longer.
        seed_file: with the seed of an operator's user nkey.
        timeout_s: for each.

    Raises:
        SettingsError: the seed file cannot be used.
    """
    seed = read_seed(seed_file).seed
    # One that is not connected hears of it from the others when it is back, or knows of nobody.
    there = [one for one in coordinators if one.state is not InstanceState.NOT_CONNECTED]
    members = [Member("mesh", one.instance, one.boot) for one in there]
    told = (signed(bus, one, _KIND, question, Forgotten, seed=seed, timeout_s=timeout_s) for one in members)
    return tuple(await asyncio.gather(*told))
