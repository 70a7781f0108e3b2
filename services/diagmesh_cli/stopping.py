"""What was asked for and takes its time is stopped where it is done, when whoever asked is interrupted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from diagmesh.client import Mesh
from diagmesh.contract.answers.profile import ProfileQuestion
from diagmesh.contract.codec import encode
from diagmesh.contract.subjects import ask_all, ask_instance
from diagmesh.errors import BusError

__all__ = ["stopped_with_us"]

_PATIENCE_S: Final = 1.0
_PROFILE: Final = "profile"


@asynccontextmanager
async def stopped_with_us(mesh: Mesh, service: str, instance: str, token: str) -> AsyncIterator[None]:
    """Nobody samples on for somebody who went away with Ctrl-C.

    Args:
        mesh: over which it was asked for.
        service: whom.
        instance: which one; empty for all of them.
        token: of the question.
    """
    try:
        yield
    except asyncio.CancelledError:
        to = ask_instance(service, _PROFILE, instance) if instance else ask_all(service, _PROFILE)
        with suppress(BusError):  # then it ends by its own bound
            await mesh.bus.request(to, encode(ProfileQuestion(stop=token)), timeout_s=_PATIENCE_S)
        raise
