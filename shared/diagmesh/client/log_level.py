"""Have sidecars or coordinators log more or less for a while, with an operator's signature for each of them."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from diagmesh.client.heard import Heard
from diagmesh.client.mesh import Mesh
from diagmesh.client.signed import Member, signed
from diagmesh.contract.answers.health import Health
from diagmesh.contract.control import LogLevel, LogLevelQuestion
from diagmesh.contract.mesh import Silent
from diagmesh.contract.names import check_token
from diagmesh.errors import Declined
from diagmesh.keys import read_seed

__all__ = ["Told", "set_log_level"]

_KIND: Final = "log-level"
_COORDINATORS: Final = "mesh"
_AT_A_TIME: Final = 32
_TIMEOUT_S: Final = 2.0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Args:
        each: per instance the answer, or why there is none.
        silent: instances that could not be told, because nobody knows which start of them to sign for.
    """

    each: tuple[Heard[LogLevel], ...]
    silent: tuple[Silent, ...] = ()


async def set_log_level(
    mesh: Mesh,
    service: str,
    instance: str = "",
    *,
    question: LogLevelQuestion,
    seed_file: Path,
    timeout_s: float = _TIMEOUT_S,
) -> Told:
    """Ask who is there and which start of each it is; then one signed request for each.

    Args:
        mesh: a connection whose role may publish ``diag.>`` and ``diagctl.>``.
        service: whose sidecars; ``mesh`` for the coordinators.
        instance: which one; empty for all.
        question: level, and for how long.
        seed_file: with the seed of an operator's user nkey, which the settings of the sidecars list.
        timeout_s: for the question who is there, and again for each request.

    Raises:
        BusError: nobody could be asked.
        Refusal: there is nobody of that name.
        SettingsError: the seed file cannot be used.
    """
    check_token(service, "service", reserved_ok=service == _COORDINATORS)
    if instance:
        check_token(instance, "instance")
    seed = read_seed(seed_file).seed
    who = (
        _coordinators(mesh, instance, timeout_s)
        if service == _COORDINATORS
        else _sidecars(mesh, service, instance, timeout_s)
    )
    members, silent = await who
    turn = asyncio.Semaphore(_AT_A_TIME)

    async def tell(one: Member) -> Heard[LogLevel]:
        async with turn:
            return await signed(mesh.bus, one, _KIND, question, LogLevel, seed=seed, timeout_s=timeout_s)

    each = await asyncio.gather(*map(tell, members))
    return Told(each=tuple(each), silent=silent)


async def _sidecars(
    mesh: Mesh, service: str, instance: str, timeout_s: float
) -> tuple[list[Member], tuple[Silent, ...]]:
    instances = (instance,) if instance else ()
    there = await mesh.all(Health, services=(service,), instances=instances, timeout_s=timeout_s)
    # Who refuses the question who is there has named itself all the same.
    members = {Member(one.reply.service, one.reply.instance, one.reply.boot) for one in there.each}
    return sorted(members), there.answer.silent


async def _coordinators(mesh: Mesh, instance: str, timeout_s: float) -> tuple[list[Member], tuple[Silent, ...]]:
    known = (await mesh.services(timeout_s=timeout_s)).coordinators
    members = [Member(_COORDINATORS, one.instance, one.boot) for one in known if instance in ("", one.instance)]
    if not members:
        there = ", ".join(one.instance for one in known)
        raise Declined(
            f"there is no coordinator {instance!r}", code=404, error="unknown target", hint=f"there: {there}"
        )
    return members, ()
