"""Tell every coordinator, with an operator's signature, that somebody is not expected any longer."""

import secrets
import time
from pathlib import Path
from typing import Final

from diagmesh.bus.core import Bus
from diagmesh.client.heard import Heard, heard
from diagmesh.contract import subjects
from diagmesh.contract.codec import encode
from diagmesh.contract.control import AUTH_HEADER, ForgetQuestion, Forgotten
from diagmesh.contract.mesh import Coordinator
from diagmesh.contract.wire import WIRE_VERSION, Problem, Reply, Status
from diagmesh.control import sign
from diagmesh.errors import BusError, Unreadable
from diagmesh.keys import read_seed

__all__ = ["forget"]

_KIND: Final = "forget"


async def forget(
    bus: Bus, coordinators: tuple[Coordinator, ...], question: ForgetQuestion, seed_file: Path, timeout_s: float
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
    return tuple([await _one(bus, coordinator, question, seed, timeout_s) for coordinator in coordinators])


async def _one(
    bus: Bus, coordinator: Coordinator, question: ForgetQuestion, seed: bytes, timeout_s: float
) -> Heard[Forgotten]:
    subject, body = subjects.control("mesh", _KIND, coordinator.instance), encode(question)
    signature = sign(
        seed=seed,
        subject=subject,
        body=body,
        boot=coordinator.boot,
        now=time.time(),
        nonce=secrets.token_urlsafe(18),
    )
    try:
        message = await bus.request(subject, body, timeout_s=timeout_s, headers={AUTH_HEADER: signature})
        return heard(message.data, "mesh", coordinator.instance, _KIND, Forgotten)
    except (BusError, Unreadable) as error:
        problem = Problem(code=503, error="not heard", detail=str(error))
        unheard = Reply(
            v=WIRE_VERSION,
            service="mesh",
            instance=coordinator.instance,
            boot=coordinator.boot,
            kind=_KIND,
            status=Status.SILENT,
            problem=problem,
        )
        return Heard(unheard, Forgotten)
