"""``python -m soak.chaos.asker NAME SETTINGS SEED``: asks the mesh at a steady pace through the library.

Standard input says ``go`` and ``pause``; its end is ours. Standard output is one JSON line for each request.
"""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from diagmesh.bus.core import Message
from diagmesh.client import Mesh
from diagmesh.contract import subjects
from diagmesh.contract.answers.health import Health
from diagmesh.contract.answers.resources import Resources
from diagmesh.contract.codec import decode_reply
from diagmesh.contract.directory import InstanceState, Services
from diagmesh.errors import BusError, DiagmeshError
from soak.chaos.counted import tell_tasks
from soak.chaos.records import Asked, Silence

__all__ = ["TIMEOUT_S", "Settings"]

TIMEOUT_S: Final = 2.0
_MESH_BUDGET_S: Final = 2.5
"""A coordinator is waited for half a second longer than it may take."""
_DIRECT_S: Final = 5.0
"""Without a coordinator the library says so, learns who is there, and asks them itself."""
_LANES: Final = 2
_PACE_S: Final = 0.4
_TICK_S: Final = 0.05
_QUIET_S: Final = 0.3
_Kind = type[Health] | type[Resources]
_HOW: Final = {"any": 8, "named": 4, "each": 3, "mesh": 6, "all": 4, "directory": 1}


class Settings(msgspec.Struct, frozen=True):
    """What an asker needs to know.

    Args:
        urls: of the servers, separated by commas.
        nkey_file: of its role.
        instances: all names.
        tasks_file: where to tell the number of tasks.
    """

    urls: str
    nkey_file: str
    instances: tuple[str, ...]
    tasks_file: str


class Asker:
    """One connection, some lanes of questions."""

    def __init__(self, mesh: Mesh, name: str, instances: tuple[str, ...], seed: str) -> None:
        self._mesh = mesh
        self._name = name
        self._instances = instances
        self._dice = random.Random(seed)  # noqa: S311  every run the same questions
        self._lag_at: list[tuple[float, float]] = []
        self.going = asyncio.Event()

    async def lane(self) -> None:
        """Ask for ever, one question after the other."""
        while True:
            await self.going.wait()
            began = time.monotonic()
            how = self._dice.choices(list(_HOW), list(_HOW.values()))[0]
            asked = await self._ask(how)
            sys.stdout.write(msgspec.json.encode(asked).decode() + "\n")
            sys.stdout.flush()
            await asyncio.sleep(max(0.0, began + _PACE_S - time.monotonic()))

    async def watch_lag(self) -> None:
        """Note when we ourselves were held up: the machine is shared."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(_TICK_S)
            late = time.monotonic() - began - _TICK_S
            if late > _TICK_S:
                self._lag_at = [*self._lag_at[-99:], (began, late)]

    async def _ask(self, how: str) -> Asked:
        name = self._dice.choice(self._instances)
        service, instance = name.split("/")
        kind = self._dice.choice((Health, Resources))
        ask: Callable[[Asked, _Kind], Awaitable[None]] = {
            "any": self._any,
            "named": self._any,
            "each": self._each,
            "mesh": self._many,
            "all": self._many,
            "directory": self._directory,
        }[how]
        asked = Asked(how=how, asker=self._name, at=time.monotonic(), budget_s=TIMEOUT_S)
        if how in ("any", "named", "each"):
            asked.service = service
        if how == "named":
            asked.instance = instance
        elif how in ("mesh", "all"):
            asked.budget_s, asked.service = _MESH_BUDGET_S, self._dice.choice(("", service))
        try:
            await ask(asked, kind)
        except DiagmeshError as error:
            asked.error, asked.detail = type(error).__name__, str(error)[:300]
        asked.took_s = time.monotonic() - asked.at
        asked.lag_s = max((late for at, late in self._lag_at if asked.at - late <= at <= asked.until), default=0.0)
        return asked

    async def _any(self, asked: Asked, kind: _Kind) -> None:
        heard = await self._mesh.one(kind, asked.service, instance=asked.instance, timeout_s=TIMEOUT_S)
        asked.heard, asked.answered = (heard.where,), 1
        heard.answer  # noqa: B018  a refusal is raised

    async def _each(self, asked: Asked, kind: _Kind) -> None:
        """All instances by one subject; whoever answers twice is seen, because we listen on for a moment."""
        bus, heard = self._mesh.bus, list[str]()
        news, trouble = asyncio.Event(), list[Exception]()

        def arrived(message: Message) -> None:
            news.set()
            if message.no_responders:
                trouble.append(BusError("nobody listens"))
                return
            reply = decode_reply(message.data)
            heard.append(f"{reply.service}/{reply.instance}")

        def failed(error: Exception) -> None:
            trouble.append(error)
            news.set()

        inbox = bus.open_inbox(arrived, failed)
        wanted = sum(one.startswith(f"{asked.service}/") for one in self._instances)
        try:
            subject = subjects.ask_all(asked.service, kind.__name__.lower())
            await bus.publish(subject, b"", reply=inbox.reply_to(0, subject))
            try:
                async with asyncio.timeout(TIMEOUT_S - _QUIET_S):
                    while len(set(heard)) < wanted and not trouble:
                        news.clear()
                        await news.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(_QUIET_S)
        finally:
            inbox.close()
        if trouble:
            raise trouble[0]
        twice = {one for one in heard if heard.count(one) > 1}
        asked.heard, asked.answered = tuple(sorted(set(heard))), len(set(heard))
        asked.unexpected = tuple(f"{one}: answered more than once" for one in sorted(twice))

    async def _many(self, asked: Asked, kind: _Kind) -> None:
        selection: dict[str, Any] = {"services": (asked.service,)} if asked.service else {}
        ask = self._mesh.all if asked.how == "all" else self._mesh.mesh
        result = await ask(kind, timeout_s=TIMEOUT_S, **selection)
        if not result.coordinator:
            asked.budget_s = _DIRECT_S
        asked.by = f"mesh/{result.coordinator}" if result.coordinator else ""
        asked.answered, asked.ended = result.answer.answered, str(result.ended)
        asked.heard = tuple(sorted(one.where for one in result.each)) if asked.how == "all" else None
        asked.silent = tuple(Silence(f"{one.service}/{one.instance}", one.reason) for one in result.silent)
        asked.unexpected = tuple(f"{one.service}/{one.instance}: {one.reason}" for one in result.unexpected)
        problems = [one for one in result.each if one.problem is not None]
        if problems:
            asked.error, asked.detail = "Problem", "; ".join(f"{one.where}: {one.problem}" for one in problems)[:300]

    async def _directory(self, asked: Asked, _: _Kind) -> None:
        heard = await self._mesh.one(Services, "mesh", timeout_s=TIMEOUT_S)
        asked.by, asked.ended = heard.where, str(heard.answer.ended)
        known = [(f"{of.service}/{one.instance}", one) for of in heard.answer.services for one in of.instances]
        asked.heard = tuple(sorted(name for name, one in known if one.state is InstanceState.LIVE))
        asked.answered = len(asked.heard)
        missing = [(name, one) for name, one in known if one.state is not InstanceState.LIVE]
        asked.silent = tuple(Silence(name, f"{one.state}: {one.reason}") for name, one in missing)


async def _run(name: str, settings: Settings, seed: str) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with Mesh.connect(url=settings.urls, nkey_file=settings.nkey_file, name=name, timeout_s=20.0) as mesh:
        asker = Asker(mesh, name, settings.instances, seed)
        work = [asker.watch_lag(), tell_tasks(Path(settings.tasks_file)), *(asker.lane() for _ in range(_LANES))]
        tasks = [asyncio.create_task(one) for one in work]
        listening = asyncio.create_task(_obey(reader, asker))
        done, _ = await asyncio.wait({listening, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for one in done:
            one.result()


async def _obey(reader: asyncio.StreamReader, asker: Asker) -> None:
    while line := await reader.readline():
        if line.strip() == b"go":
            asker.going.set()
        else:
            asker.going.clear()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=Settings), sys.argv[3]))
