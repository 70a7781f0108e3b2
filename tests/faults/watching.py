"""The mesh is judged again and again; whoever waits for a finding, or for its end, looks at each judgement."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec

from diagmesh.client import Mesh
from diagmesh.contract.verdicts import Check, CheckQuestion, Verdict
from diagmesh.errors import BusError, Refusal

__all__ = ["NotSeen", "Seen", "Watch", "watching"]

_PACE_S: Final = 0.3
_ANSWER_S: Final = 10.0
_COSTLY: Final = ("PROF",)


class NotSeen(Exception):
    """What was waited for did not come; says what was seen instead."""


class Seen(msgspec.Struct, frozen=True):
    """One judgement: when the question went out, and what came back."""

    at: float
    check: Check

    def codes(self, *names: str) -> set[str]:
        """What was found at these instances."""
        return {one.code for one in self.check.findings if set(one.instances) & set(names)}

    def judged(self, code: str, *names: str) -> bool:
        """Whether that rule could judge all of these instances, or judges at all where it names none of their kind."""
        found = [one for one in self.check.verdicts if one.code == code]
        if not found:
            return False  # nobody asked for it in this look
        (verdict,) = found
        services = {name.partition("/")[0] for name in verdict.judged}
        if services.isdisjoint(name.partition("/")[0] for name in names):
            return verdict.verdict in {Verdict.CLEAR, Verdict.FOUND}
        return set(names) <= set(verdict.judged)


class Watch:
    """All judgements since it began."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._news = asyncio.Condition()
        self.seen: list[Seen] = []
        self.unanswered: list[str] = []
        self.costly: dict[str, tuple[str, ...]] = {}
        """Who is also judged by the rules that sample, by the name of the fault for which that is done."""

    async def run(self) -> None:
        """Ask until cancelled; what is not answered is kept as such, for then nothing was seen."""
        while True:
            at = time.monotonic()
            try:
                heard = await self._mesh.one(Check, "mesh", CheckQuestion(), timeout_s=_ANSWER_S)
                check = heard.answer
                if names := sorted({name for names in self.costly.values() for name in names}):
                    check = _both(check, await self._sampled(tuple(names)))
                seen = Seen(at, check)
            except (BusError, Refusal) as error:
                self.unanswered.append(f"{type(error).__name__}: {error}")
            else:
                async with self._news:
                    self.seen.append(seen)
                    self._news.notify_all()
            await asyncio.sleep(_PACE_S)

    async def _sampled(self, names: tuple[str, ...]) -> Check:
        services = tuple({name.partition("/")[0] for name in names})
        question = CheckQuestion(codes=_COSTLY, services=services, instances=names)
        return (await self._mesh.one(Check, "mesh", question, timeout_s=_ANSWER_S)).answer

    async def until(self, holds: Callable[[Seen], bool], times: int, within_s: float, what: str) -> None:
        """Wait until it holds in so many judgements in a row, all asked for from now on.

        Raises:
            NotSeen: not in that time.
        """
        since, row, index = time.monotonic(), 0, len(self.seen)
        try:
            async with asyncio.timeout(within_s):
                while row < times:
                    new = await self._number(index)
                    index += 1
                    if new.at >= since:
                        row = row + 1 if holds(new) else 0
        except TimeoutError:
            raise NotSeen(f"{what}: not within {within_s:g} s") from None

    async def _number(self, index: int) -> Seen:
        async with self._news:
            await self._news.wait_for(lambda: len(self.seen) > index)
        return self.seen[index]

    def counted(self, since: float, *names: str) -> Counter[str]:
        """In how many judgements since then each code was found at these instances."""
        return Counter(code for one in self.seen if one.at >= since for code in one.codes(*names))


def _both(usual: Check, sampled: Check) -> Check:
    return msgspec.structs.replace(
        usual, findings=usual.findings + sampled.findings, verdicts=usual.verdicts + sampled.verdicts
    )


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[Watch]:
    """A watch over the mesh at that server."""
    async with Mesh.connect(url=url, name="faults") as mesh:
        watch = Watch(mesh)
        task = asyncio.create_task(watch.run())
        try:
            yield watch
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
