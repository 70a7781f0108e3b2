"""The monkey: kills and freezes sidecars, coordinators and servers at random, and writes down what it did to whom."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from typing import Final

from soak.chaos.cluster import COORDINATORS, NODES, Cluster, names
from soak.chaos.records import Fault, server_name

__all__ = ["BACK_S", "SPARED", "Monkey"]

SPARED: Final = (*(name for name in names() if name.endswith("/i1")), COORDINATORS[0])
"""Frozen, but never killed: growth is judged over their whole life."""
BACK_S: Final = 30.0
"""Whoever is not back so long after a fault was undone never came back, which is a complaint."""
_LAME_DUCK_S: Final = 45.0
_FREEZE_S: Final = (0.5, 8.0)
_DOWN_S: Final = (0.2, 4.0)
_GAPS_S: Final = {
    "sidecar": (2.0, 8.0),
    "another sidecar": (4.0, 12.0),
    "coordinator": (6.0, 14.0),
    "server": (12.0, 24.0),
}
_CALM_EVERY_S: Final = 45.0
_CALM_S: Final = 8.0
_LOOK_EVERY_S: Final = 0.1


class Monkey:
    """Call `run`; it stops by itself, with every fault undone.

    Args:
        cluster: whom it plays with.
        seed: the same seed makes the same acts in the same order (not at the same instant).
        tell: hears of each fault as it is done.
    """

    def __init__(self, cluster: Cluster, seed: int, tell: Callable[[str], None]) -> None:
        self.faults: list[Fault] = []
        self.complaints: list[str] = []
        self.calm: list[tuple[float, float]] = []
        self._cluster = cluster
        self._seed = seed
        self._tell = tell
        self._allowed = asyncio.Event()
        self._busy = 0
        self._hurt_now: set[str] = set()

    async def run(self, seconds: float) -> None:
        """Play for so long, with windows of calm in between; at the end everything is undone and all are back."""
        self._allowed.set()
        stopping = asyncio.Event()
        players = [asyncio.create_task(self._play(kind, stopping), name=f"monkey {kind}") for kind in _GAPS_S]
        players.append(asyncio.create_task(self._calm_now_and_then(stopping), name="monkey calm"))
        try:
            await asyncio.wait(players, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
            stopping.set()
            self._allowed.set()
            await asyncio.wait(players, timeout=_LAME_DUCK_S + BACK_S + 10.0)
        finally:
            for player in players:
                player.cancel()
            ended = await asyncio.gather(*players, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _play(self, kind: str, stopping: asyncio.Event) -> None:
        dice = random.Random(f"{self._seed} {kind}")  # noqa: S311  chosen at random, and so every time again
        while not await _set_within(stopping, dice.uniform(*_GAPS_S[kind])):
            await self._allowed.wait()
            if stopping.is_set():
                return
            self._busy += 1
            try:
                await self._act(kind, dice)
            finally:
                self._busy -= 1

    async def _calm_now_and_then(self, stopping: asyncio.Event) -> None:
        while not await _set_within(stopping, _CALM_EVERY_S):
            self._allowed.clear()
            while self._busy and not stopping.is_set():
                await asyncio.sleep(0.05)
            began = time.monotonic()
            await _set_within(stopping, _CALM_S)
            self.calm.append((began, time.monotonic()))
            self._allowed.set()

    # --- acts

    async def _act(self, kind: str, dice: random.Random) -> None:
        if kind == "server":
            node, act = dice.choice(NODES), dice.choices(("kill", "freeze", "lame duck"), (3, 3, 1))[0]
            await self._hurt_server(node, act, dice.uniform(*(_FREEZE_S if act == "freeze" else _DOWN_S)))
            return
        name = dice.choice(COORDINATORS if kind == "coordinator" else names())
        act = "freeze" if name in SPARED else dice.choice(("kill", "freeze"))
        pause_s = dice.uniform(*(_FREEZE_S if act == "freeze" else _DOWN_S))
        if name not in self._hurt_now:
            self._hurt_now.add(name)
            await self._hurt(name, act, pause_s)
            self._hurt_now.discard(name)

    async def _hurt(self, name: str, act: str, pause_s: float) -> None:
        program = self._cluster.programs[name]
        fault = self._begin(act, name, (name,))
        if act == "freeze":
            await _frozen(fault, program.pid, pause_s)
        else:
            await asyncio.to_thread(program.kill)
            await asyncio.sleep(pause_s)
            fault.over = time.monotonic()
            self._cluster.start(name)
        await self._until_back(fault)
        if not self._cluster.programs[name].running:
            self.complaints.append(f"{name} ended by itself after fault {fault.number}: see its log")

    async def _hurt_server(self, node: str, act: str, pause_s: float) -> None:
        server = self._cluster.servers[node]
        standing = await self._cluster.standing()
        # The commands connect for a moment only, and do not come back.
        on_it = sorted(name for name, where in standing.items() if where.node == node and _stays(name))
        fault = self._begin(act, server_name(node), (server_name(node), *on_it))
        if act == "freeze":
            await _frozen(fault, server.pid, pause_s)
            await self._until_back(fault)
            return
        moving = asyncio.create_task(self._until_back(fault, node), name="moving")
        if act == "lame duck":
            os.kill(server.pid, signal.SIGUSR2)
            await _until(lambda: not server.running, _LAME_DUCK_S)
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(pause_s)
        fault.over = time.monotonic()
        await asyncio.to_thread(server.start)
        await moving

    def _begin(self, act: str, what: str, hit: tuple[str, ...]) -> Fault:
        fault = Fault(number=len(self.faults) + 1, act=act, what=what, at=time.monotonic(), hit=hit, back={})
        self.faults.append(fault)
        self._tell(f"fault {fault.number}: {act} {what}")
        return fault

    async def _until_back(self, fault: Fault, node: str = "") -> None:
        """Write down when each is back; whoever was on a server that ends may be so before that is up again."""
        while missing := set(fault.hit) - fault.back.keys():
            for name in await self._cluster.back(missing, not_at="" if fault.over else node):
                fault.back[name] = time.monotonic()
            if fault.over is not None and time.monotonic() > fault.over + BACK_S:
                self.complaints.append(
                    f"not back within {BACK_S:g} s of fault {fault.number} ({fault.act} {fault.what}):"
                    f" {', '.join(sorted(missing - fault.back.keys()))}"
                )
                return
            await asyncio.sleep(_LOOK_EVERY_S)


def _stays(name: str) -> bool:
    return "/" in name or name.startswith("soak-")


async def _frozen(fault: Fault, pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        # Before, not after: on a machine with much to do the thawed one may answer sooner than we go on.
        fault.over = time.monotonic()
        os.kill(pid, signal.SIGCONT)


async def _until(holds: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not holds() and time.monotonic() < deadline:
        await asyncio.sleep(0.1)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
