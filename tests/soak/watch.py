"""Checks and questions at a steady pace, and what came of them."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

import msgspec
import psutil

from diagmesh.client import Mesh, MeshResult
from diagmesh.contract.answers.profile import ProfileQuestion, ProfileType
from diagmesh.contract.findings import Finding
from diagmesh.contract.mesh import Silent
from diagmesh.contract.verdicts import Check, CheckQuestion, Verdict
from diagmesh.contract.wire import Question, Status
from diagmesh.errors import BusError, Refusal

__all__ = ["ALL_KINDS", "WARM_UP_S", "Memory", "Told", "slow_within", "soak"]

WARM_UP_S: Final = 75.0
"""Growth is judged after a minute of past; until then it is blind, and told as such."""
_CHECK_EVERY_S: Final = 3.0
_TELL_EVERY_S: Final = 30.0
_TIMEOUT_S: Final = 5.0
_SAMPLING_S: Final = 8.0
_SAMPLED_EACH: Final = 5
_PROFILED: Final = ("orders", "payments", "inventory")
_ASKED: Final = ("health", "resources", "runtime", "goroutines", "races")
ALL_KINDS: Final = frozenset({*_ASKED, "profile"})
"""What is asked beside the checks; somebody must answer each."""
_SPEECHLESS: Final = (Status.FAILED, Status.LATE, Status.DECLINED)
_MIB: Final = 1 << 20
_SLOW_PROBE: Final = "PROC-005"
_MOST_FACTS: Final = 20
"""A finding holds no more; what is left out may be worse."""


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
        answers: of instances to these, by kind.
        lost: questions that were not, and why.
        findings: per code and instance, in how many checks.
        blind: per reason, in how many checks after the warm-up.
        silent: instances that did not answer, in how many checks.
        memory: of our processes.
        slow_ms: a probe that passes may take so long, where the rule allows less.
    """

    checks: int = 0
    asks: int = 0
    answers: Counter[str] = msgspec.field(default_factory=Counter)
    lost: Counter[str] = msgspec.field(default_factory=Counter)
    findings: Counter[str] = msgspec.field(default_factory=Counter)
    blind: Counter[str] = msgspec.field(default_factory=Counter)
    silent: Counter[str] = msgspec.field(default_factory=Counter)
    memory: list[Memory] = []
    slow_ms: float = 0.0

    @property
    def complaints(self) -> list[str]:
        """One line for everything that should not be; empty when all was well."""
        parts = (("found", self.findings), ("blind", self.blind), ("silent", self.silent), ("not answered", self.lost))
        said = [f"{word}: {what} ({count}x)" for word, counted in parts for what, count in counted.most_common()]
        said += [f"no answer: {kind} of anybody" for kind, count in sorted(self.answers.items()) if not count]
        return said if self.checks else [*said, "no check was made"]


async def soak(
    url: str,
    pids: dict[str, int],
    seconds: float,
    tell: Callable[[str], None],
    kinds: Collection[str] = ("health", "resources"),
    *,
    slow_ms: float = 0.0,
) -> Told:
    """Check and ask for so long.

    Args:
        url: of the mesh.
        pids: our processes whose memory is watched, by name.
        seconds: how long.
        tell: is told how it goes.
        kinds: what is asked beside the checks.
        slow_ms: a probe that passes may take so long, where the rule allows less.
    """
    told = Told(answers=Counter(dict.fromkeys(kinds, 0)), slow_ms=slow_ms)
    began, told_at, early = time.monotonic(), 0.0, _resident(pids)
    async with Mesh.connect(url=url, name="soak") as mesh:
        while (passed := time.monotonic() - began) < seconds:
            warm = passed >= WARM_UP_S
            if not warm:
                early = _resident(pids)
            await _look(mesh, told, warm=warm)
            if told.checks % _SAMPLED_EACH == 1:
                await _sampled(mesh, told, profiles="profile" in kinds)
            if passed - told_at >= _TELL_EVERY_S:
                told_at = passed
                tell(f"{passed:4.0f} s of {seconds:g} s: {told.checks} checks, {len(told.complaints)} complaints")
            await asyncio.sleep(max(0.0, _CHECK_EVERY_S - (time.monotonic() - began - passed)))
    late = _resident(pids)
    told.memory = [Memory(name, early[name], late[name]) for name in sorted(pids)]
    return told


async def _sampled(mesh: Mesh, told: Told, *, profiles: bool) -> None:
    """A check by the rules that sample, of those that are Go services with profiles; and their heap."""
    known = {entry.service for entry in (await mesh.services()).services}
    services = tuple(one for one in _PROFILED if one in known)
    if not services:
        return
    try:
        question = CheckQuestion(codes=("PROF",), services=services)
        _note((await mesh.one(Check, "mesh", question, timeout_s=_SAMPLING_S)).answer, told, warm=False)
    except (BusError, Refusal) as error:
        told.lost[_words(error)] += 1
    if profiles:
        await _ask(mesh, told, "profile", ProfileQuestion(type=ProfileType.HEAP), services=services)


async def _look(mesh: Mesh, told: Told, *, warm: bool) -> None:
    """A check, and then the questions that people ask."""
    try:
        _note((await mesh.one(Check, "mesh", CheckQuestion(), timeout_s=_TIMEOUT_S)).answer, told, warm=warm)
    except (BusError, Refusal) as error:
        told.lost[_words(error)] += 1
    await asyncio.gather(*(_ask(mesh, told, kind) for kind in told.answers if kind != "profile"))


async def _ask(mesh: Mesh, told: Told, kind: str, question: Question | None = None, **whom: object) -> None:
    """What all of them answer, and what their sidecars find in that."""
    try:
        result: MeshResult[Any] = await mesh.mesh(kind, question, timeout_s=_TIMEOUT_S, **whom)
    except (BusError, Refusal) as error:
        told.lost[_words(error)] += 1
        return
    told.asks += 1
    told.answers[kind] += result.answer.by_status.get(Status.ANSWERED, 0)
    _found(told, result.answer.findings, result.silent)
    for status in _SPEECHLESS:
        if count := result.answer.by_status.get(status, 0):
            told.lost[f"{kind}: {status}: {result.answer.worst and result.answer.worst.reason}"] += count


def _note(check: Check, told: Told, *, warm: bool) -> None:
    told.checks += 1
    _found(told, check.findings, check.silent)
    for verdict in check.verdicts:
        if verdict.verdict is Verdict.BROKEN:
            told.blind[f"{verdict.code} is broken: {verdict.reason}"] += 1
        for blind in verdict.not_judged if warm else ():
            if not blind.not_here:
                told.blind[f"{verdict.code} at {blind.instance}: {blind.why}"] += 1


def _found(told: Told, findings: Iterable[Finding], silent: Iterable[Silent]) -> None:
    for one in findings:
        for name in () if slow_within(one, told.slow_ms) else one.instances:
            told.findings[f"{one.code} at {name}: {one.title}"] += 1
    for missing in silent:
        told.silent[f"{missing.service}/{missing.instance}: {missing.reason}"] += 1


def slow_within(finding: Finding, slow_ms: float) -> bool:
    """Whether it says of probes that they are slow, and all of them passed within that time."""
    if finding.code != _SLOW_PROBE or not 0 < len(finding.evidence) < _MOST_FACTS:
        return False
    return all(isinstance(fact.value, float | int) and fact.value <= slow_ms for fact in finding.evidence)


def _resident(pids: dict[str, int]) -> dict[str, float]:
    return {name: psutil.Process(pid).memory_info().rss / _MIB for name, pid in pids.items()}


def _words(error: BusError | Refusal) -> str:
    return f"{type(error).__name__}: {error}"
