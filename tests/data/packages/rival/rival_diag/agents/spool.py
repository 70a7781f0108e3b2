"""spool: how many orders wait in the folder from which a service takes them."""

import asyncio
import os
from pathlib import Path

from diagmesh import Answer, Nothing, Target, Unavailable, agent

__all__ = ["Spool", "spool"]


class Spool(Answer, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The spool folder.

    Args:
        waiting: files in it.
        folder: where it is.
    """

    waiting: int
    folder: str


@agent(budget=1.0)
async def spool(question: Nothing, target: Target) -> Spool:
    """How many orders wait in the spool folder."""
    folder = os.environ.get("ACME_SPOOL", "")
    if not folder:
        raise Unavailable(f"{target.service} has no spool folder", code=501, hint="set ACME_SPOOL for the sidecar")
    names = await asyncio.to_thread(os.listdir, Path(folder))
    return Spool(waiting=len(names), folder=folder)
