"""Makes each fault, waits for its finding, takes it back, waits until all is clear; notes everything that was found."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import msgspec

from faults.fault import Fault
from faults.mesh import BASE, Copy, DemoMesh
from faults.places import CannotHere
from faults.strays import Lives
from faults.watching import NotSeen, Watch, watching

__all__ = ["HEALTHY", "Outcome", "run"]

HEALTHY: Final = "(untouched)"
_AT_A_TIME: Final = 3
_WELL_S: Final = 45.0
_FOUND_S: Final = 60.0
_CLEAR_S: Final = 90.0
_STEADY: Final = 3
_UNNAMED_S: Final = 6.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a fault.

    Args:
        name: of the fault.
        found: per code, in how many checks it was found while the fault was on and until it was clear.
        checks: in so many in all.
        trouble: what did not come about; empty when all did.
        skipped: why it could not be made here.
        took_s: in all.
    """

    name: str
    found: dict[str, int] = {}
    checks: int = 0
    trouble: str = ""
    skipped: str = ""
    took_s: float = 0.0


class Programs(msgspec.Struct, frozen=True):
    """The built demo; ``race`` is None where it cannot be built with ``-race``."""

    plain: Path
    race: Path | None = None


async def run(
    faults: Sequence[Fault],
    programs: Programs,
    folder: Path,
    tell: Callable[[Outcome], None],
) -> list[Outcome]:
    """All of them, on one mesh; the last outcome is that of the copies that nobody touched."""
    with DemoMesh(folder, programs.plain) as mesh:
        mesh.observed = frozenset(fault.name for fault in faults if fault.observed)
        await asyncio.to_thread(mesh.start, [one for fault in faults for one in fault.settings])
        async with watching(mesh.url) as watch:
            await watch.until(lambda seen: not seen.check.findings, _STEADY, _WELL_S, "a mesh without findings")
            since = time.monotonic()
            runner = _Runner(mesh, watch, programs, folder, tell)
            together = [fault for fault in faults if not fault.alone]
            outcomes = await runner.all_of(together, _AT_A_TIME)
            outcomes += await runner.all_of([fault for fault in faults if fault.alone], 1)
            seen = [one for one in watch.seen if one.at >= since]
            found, told = runner.lives.strays(seen), runner.lives.told(seen)
            trouble = "\n".join((*filter(None, (_lost(watch, mesh),)), *told))
            outcomes.append(Outcome(name=HEALTHY, found=dict(found), checks=len(seen), trouble=trouble))
            tell(outcomes[-1])
    order = [*(fault.name for fault in faults), HEALTHY]
    return sorted(outcomes, key=lambda one: order.index(one.name))


def _lost(watch: Watch, mesh: DemoMesh) -> str:
    """What to say of checks that were not answered; nothing when all were."""
    if not watch.unanswered:
        return ""
    said = " ".join(mesh.judge.log_text()[-500:].split())
    runs = "runs" if mesh.judge.running else "has ended"
    return f"{len(watch.unanswered)} checks were not answered: {watch.unanswered[0]}; the coordinator {runs}: {said}"


class _Runner:
    def __init__(
        self, mesh: DemoMesh, watch: Watch, programs: Programs, folder: Path, tell: Callable[[Outcome], None]
    ) -> None:
        self._mesh, self._watch, self._programs, self._folder, self._tell = mesh, watch, programs, folder, tell
        self.lives = Lives()

    async def all_of(self, faults: Sequence[Fault], at_a_time: int) -> list[Outcome]:
        """So many at a time; in the order in which they were given."""
        room = asyncio.Semaphore(at_a_time)

        async def one(fault: Fault) -> Outcome:
            async with room:
                outcome = await self._one(fault)
                self._tell(outcome)
                return outcome

        return list(await asyncio.gather(*map(one, faults)))

    async def _one(self, fault: Fault) -> Outcome:
        began, folder = time.monotonic(), self._folder / fault.name
        folder.mkdir()
        if fault.race and self._programs.race is None:
            return Outcome(name=fault.name, skipped="the demo cannot be built with -race here (it needs a C compiler)")
        with ExitStack() as stack:
            try:
                within = stack.enter_context(fault.place(folder)) if fault.place is not None else ()
            except CannotHere as why:
                return Outcome(name=fault.name, skipped=str(why))
            copies: list[Copy] = []
            injected, trouble = time.monotonic(), ""
            try:
                await self._copies(fault, folder, within, copies)
                injected = await self._injected(fault, copies[0], folder)
            except (NotSeen, AssertionError, TimeoutError) as error:
                trouble = str(error)
            names = fault.names
            found = self._watch.counted(injected, *names)
            await self._sampled_no_more(fault)
            for copy in copies:
                await asyncio.to_thread(copy.leave)
            self.lives.note(fault.name, (*names, *fault.also), began, time.monotonic())
        checks = sum(seen.at >= injected for seen in self._watch.seen)
        took_s = time.monotonic() - began
        return Outcome(name=fault.name, found=dict(found), checks=checks, trouble=trouble, took_s=took_s)

    async def _copies(self, fault: Fault, folder: Path, within: Sequence[str], copies: list[Copy]) -> None:
        """Add the copies, well and judged; those that were made before one could not be made stay in the list."""
        programs = self._programs.race if fault.race else None
        for instance in fault.instances:
            place = within if instance == fault.name else ()
            copies.append(
                await asyncio.to_thread(
                    self._mesh.copy,
                    fault.service,
                    instance,
                    folder,
                    *fault.flags,
                    within=place,
                    programs=programs,
                    launched=fault.launched,
                    own=None if fault.server is None else (fault.server, fault.client),
                )
            )
        names = fault.names
        if fault.sampled:
            self._watch.costly[fault.name] = (names[0], *(f"{service}/{instance}" for service, instance in BASE))
        judging = fault.codes if fault.service == "mesh" else ("PROC-001", *fault.codes)
        await self._watch.until(
            lambda seen: not seen.codes(*names) and all(seen.judged(code, *fault.at(code)) for code in judging),
            _STEADY,
            _WELL_S,
            f"{names[0]} is well before",
        )

    async def _sampled_no_more(self, fault: Fault) -> None:
        """Whoever leaves must not be asked for by name meanwhile."""
        if self._watch.costly.pop(fault.name, None) is not None:
            with suppress(NotSeen):
                await self._watch.until(lambda _: True, 1, _FOUND_S, "another look")

    async def _injected(self, fault: Fault, copy: Copy, folder: Path) -> float:
        """Make the fault, see it, take it back, see nothing any more; returns when it was made."""
        since, wanted, names = time.monotonic(), set(fault.codes), fault.names
        broken = names if fault.server is not None else (copy.name,)
        if fault.by_asked:
            broken = (*broken, *fault.also)
        await asyncio.to_thread(fault.inject, copy, folder)
        if not wanted:
            await asyncio.sleep(_UNNAMED_S)
        await self._watch.until(
            lambda seen: wanted <= seen.codes(*broken) <= wanted | {*fault.may},
            _STEADY,
            _FOUND_S,
            f"found {' '.join(fault.codes) or 'none'}",
        )
        if fault.remove is None:
            return since
        await asyncio.to_thread(fault.remove, copy, folder)
        await self._watch.until(
            lambda seen: (
                not seen.codes(*names, *fault.also) and all(seen.judged(code, *fault.at(code)) for code in fault.codes)
            ),
            _STEADY,
            _CLEAR_S,
            "clear again",
        )
        return since
