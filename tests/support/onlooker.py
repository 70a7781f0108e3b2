"""``python -m support.onlooker URL``: looks at the mesh again and again from where it runs; a line per look."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from diagmesh.client import Mesh
from diagmesh.contract.answers.health import Health
from diagmesh.contract.directory import InstanceState
from diagmesh.contract.verdicts import Check, CheckQuestion
from diagmesh.errors import BusError, Refusal

__all__ = ["LOOK_S", "Look", "looks_in"]

LOOK_S: Final = 1.5
"""What each question may take."""
_PACE_S: Final = 0.1


class Look(msgspec.Struct, kw_only=True):
    """What one look told.

    Args:
        at: when it began, monotonic seconds (the same for all processes of a machine).
        ended_at: when it was over.
        ended: why the gather of `health` ended.
        heard: who answered it.
        silent: who did not, and why.
        states: of the directory.
        coordinators: likewise.
        findings: who was found by which code.
        trouble: a question that was not answered.
    """

    at: float
    ended_at: float = 0.0
    ended: str = ""
    heard: set[str] = set()
    silent: dict[str, str] = {}
    states: dict[str, InstanceState] = {}
    coordinators: dict[str, InstanceState] = {}
    findings: dict[str, list[str]] = {}
    trouble: str = ""


def looks_in(log: Path) -> list[Look]:
    """What an onlooker has told so far; the last line may not be whole yet."""
    whole, _, _ = log.read_text(encoding="utf-8").rpartition("\n")
    return [msgspec.json.decode(line, type=Look) for line in whole.splitlines() if line.startswith("{")]


async def _look(mesh: Mesh) -> Look:
    look = Look(at=time.monotonic())
    try:
        result = await mesh.all(Health, timeout_s=LOOK_S)
        look.ended, look.heard = result.ended, {one.where for one in result.each}
        look.silent = {f"{one.service}/{one.instance}": one.reason for one in result.silent}
        services = await mesh.services(timeout_s=LOOK_S)
        entries = [(entry.service, one) for entry in services.services for one in entry.instances]
        look.states = {f"{service}/{one.instance}": one.state for service, one in entries}
        look.coordinators = {one.instance: one.state for one in services.coordinators}
        check = (await mesh.one(Check, "mesh", CheckQuestion(codes=("MESH", "PROC")), timeout_s=2 * LOOK_S)).answer
        look.findings = {one.code: list(one.instances) for one in check.findings}
    except (BusError, Refusal) as error:
        look.trouble = f"{type(error).__name__}: {error}"
    look.ended_at = time.monotonic()
    return look


async def _main(url: str) -> None:
    async with Mesh.connect(url=url, name="onlooker", timeout_s=30.0) as mesh:
        while True:
            print(msgspec.json.encode(await _look(mesh)).decode(), flush=True)  # noqa: T201  what the test reads
            await asyncio.sleep(_PACE_S)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
