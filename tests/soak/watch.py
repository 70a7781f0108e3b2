"""Checks and questions at a steady pace, and what came of them."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec
import psutil

from diagmesh.client import Mesh
from diagmesh.contract.answers.health import Health
from diagmesh.contract.answers.resources import Resources
from diagmesh.contract.verdicts import Check, CheckQuestion, Verdict
from diagmesh.errors import BusError, Refusal

__all__ = ["WARM_UP_S", "Memory", "Told", "soak"]

WARM_UP_S: Final = 75.0
"""Growth is judged after a minute of past; until then it is blind, and told as such."""
_CHECK_EVERY_S: Final = 3.0
_TELL_EVERY_S: Final = 30.0
_TIMEOUT_S: Final = 5.0
_SAMPLING_S: Final = 8.0
_SAMPLED_EACH: Final = 5
_PROFILED: Final = ("orders", "payments", "inventory")
_MIB: Final = 1 << 20


class Memory(msgspec.Struct, frozen=True):
    """Resident memory of one of our processes, in MiB: settled after the warm-up, and at the end."""

    name: str
    early_mib: float
    late_mib: float


class Told(msgspec.Struct):
    """What came of it.

    Args:
        checks: judged.
        asks: questions beside them that were answered.
        lost: questions that were not, and why.
        findings: per code and instance, in how many checks.
        blind: per reason, in how many checks after the warm-up.
        silent: instances that did not answer, in how many checks.
        memory: of our processes.
    """

    checks: int = 0
    asks: int = 0
    lost: Counter[str] = msgspec.field(default_factory=Counter)
    findings: Counter[str] = msgspec.field(default_factory=Counter)
    blind: Counter[str] = msgspec.field(default_factory=Counter)
    silent: Counter[str] = msgspec.field(default_factory=Counter)
    memory: list[Memory] = []

    @property
    def complaints(self) -> list[str]:
        """One line for everything that should not be; empty when all was well."""
        parts = (("found", self.findings), ("blind", self.blind), ("silent", self.silent), ("not answered", self.lost))
        said = [f"{word}: {what} ({count}x)" for word, counted in parts for what, count in counted.most_common()]
        return said if self.checks else [*said, "no check was made"]


async def soak(url: str, pids: dict[str, int], seconds: float, tell: Callable[[str], None]) -> Told:
    """Check and ask for so long.

    Args:
        url: of the mesh.
        pids: our processes whose memory is watched, by name.
        seconds: how long.
        tell: is told how it goes.
    """
    told, began, told_at, early = Told(), time.monotonic(), 0.0, _resident(pids)
    async with Mesh.connect(url=url, name="soak") as mesh:
        while (passed := time.monotonic() - began) < seconds:
            warm = passed >= WARM_UP_S
            if not warm:
                early = _resident(pids)
            await _look(mesh, told, warm=warm)
            if told.checks % _SAMPLED_EACH == 1:
                await _sampled(mesh, told)
            if passed - told_at >= _TELL_EVERY_S:
                told_at = passed
                tell(f"{passed:4.0f} s of {seconds:g} s: {told.checks} checks, {len(told.complaints)} complaints")
            await asyncio.sleep(max(0.0, _CHECK_EVERY_S - (time.monotonic() - began - passed)))
    late = _resident(pids)
    told.memory = [Memory(name, early[name], late[name]) for name in sorted(pids)]
    return told


async def _sampled(mesh: Mesh, told: Told) -> None:
    """A check by the rules that sample, of those that are Go services with profiles."""
    known = {entry.service for entry in (await mesh.services()).services}
    services = tuple(one for one in _PROFILED if one in known)
    if not services:
        return
    try:
        question = CheckQuestion(codes=("PROF",), services=services)
        _note((await mesh.one(Check, "mesh", question, timeout_s=_SAMPLING_S)).answer, told, warm=False)
    except (BusError, Refusal) as error:
        told.lost[_words(error)] += 1


async def _look(mesh: Mesh, told: Told, *, warm: bool) -> None:
    """A check, and the questions that people ask beside it."""
    asks = (
        mesh.one(Health, "orders", timeout_s=_TIMEOUT_S),
        mesh.mesh(Resources, timeout_s=_TIMEOUT_S),
        mesh.mesh(Health, timeout_s=_TIMEOUT_S),
    )
    checked, *others = await asyncio.gather(
        mesh.one(Check, "mesh", CheckQuestion(), timeout_s=_TIMEOUT_S), *asks, return_exceptions=True
    )
    for other in others:
        if isinstance(other, BaseException):
            told.lost[_words(other)] += 1
        else:
            told.asks += 1
    if isinstance(checked, BaseException):
        told.lost[_words(checked)] += 1
        return
    try:
        _note(checked.answer, told, warm=warm)
    except Refusal as refusal:
        told.lost[_words(refusal)] += 1


def _note(check: Check, told: Told, *, warm: bool) -> None:
    told.checks += 1
    for one in check.findings:
        for name in one.instances:
            told.findings[f"{one.code} at {name}: {one.title}"] += 1
    for missing in check.silent:
        told.silent[f"{missing.service}/{missing.instance}: {missing.reason}"] += 1
    for verdict in check.verdicts:
        if verdict.verdict is Verdict.BROKEN:
            told.blind[f"{verdict.code} is broken: {verdict.reason}"] += 1
        for blind in verdict.not_judged if warm else ():
            if not blind.not_here:
                told.blind[f"{verdict.code} at {blind.instance}: {blind.why}"] += 1


def _resident(pids: dict[str, int]) -> dict[str, float]:
    return {name: psutil.Process(pid).memory_info().rss / _MIB for name, pid in pids.items()}


def _words(error: BaseException) -> str:
    if not isinstance(error, BusError | Refusal):
        raise error
    return f"{type(error).__name__}: {error}"
