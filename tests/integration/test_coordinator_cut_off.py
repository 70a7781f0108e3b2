"""A coordinator that loses its server in the middle of a gather: who asked has an answer all the same, and no lie."""

import asyncio
import http.client
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from diagmesh.bus.core import Message
from diagmesh.client import Mesh
from diagmesh.client.hedge import HEDGE_S
from diagmesh.client.result import MeshResult
from diagmesh.contract.answers.coordinator import Coordinator, CoordinatorQuestion
from diagmesh.contract.answers.health import Health
from diagmesh.contract.mesh import ASK_HEADER, Ended
from support.natsserver import MakeServer, NatsServer
from support.ports import free_port
from support.programs import Program, wait_until
from support.relay import Relay
from support.sidecars import sidecar

ALL: Final = {"orders/i1", "orders/i2"}
LONG_S: Final = 30.0
"""What the question may take: the frozen sidecar alone would make it take so long."""
BACK_S: Final = 5.0
"""A coordinator is back on another server within two seconds or so; the rest is for a busy machine."""
_LOST: Final = 'diagmesh_gathers_total{ended="connection lost",kind="health"} '
_SILENT: Final = 'diagmesh_gather_replies_total{kind="health",status="silent"}'


class Scene:
    """Two servers; everybody is on the far one, but for c1, which is on the near one, or behind a link to the far one.

    Args:
        make_server: the fixture.
        directory: for logs.
        linked: whether c1 is behind that link.
    """

    def __init__(self, make_server: MakeServer, directory: Path, *, linked: bool) -> None:
        ports = [free_port(), free_port()]
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
        self.near, self.far = (
            make_server(name=name, config=f'cluster {{ name: two, listen: "127.0.0.1:{port}", routes: [{routes}] }}')
            for name, port in zip(("near", "far"), ports, strict=True)
        )
        self._directory = directory
        self._stack = ExitStack()
        self.metrics = free_port()
        for server in (self.near, self.far):
            server.start()
        self._link = Relay(directory, self.far.port) if linked else None
        if self._link is not None:
            self._stack.callback(self._link.close)

    def cut(self) -> None:
        """Take from c1 what connects it."""
        if self._link is None:
            self.near.kill()
        else:
            self._link.program.kill()

    def mend(self) -> None:
        """Give it back."""
        if self._link is None:
            self.near.start()
        else:
            self._link.start()

    def sidecar(self, instance: str) -> Program:
        """Of orders, on the far server."""
        return self._stack.enter_context(sidecar(self._directory, self.far.url, "orders", instance))

    def coordinator(self, name: str) -> Program:
        """c1, or one on the far server."""
        url = self.far.url if name != "c1" else self._link.url if self._link is not None else self.near.url
        flags = ["--nats", url, "--instance", name, "--heartbeat", "0.5"]
        flags += ["--metrics", str(self.metrics)] if name == "c1" else []
        return self._stack.enter_context(Program(["python", "-m", "diagmesh_coordinator", *flags], self._directory))

    def measured(self) -> str:
        """What c1 counts of its own work."""
        asking = http.client.HTTPConnection("127.0.0.1", self.metrics, timeout=10)
        try:
            asking.request("GET", "/metrics")
            return asking.getresponse().read().decode()
        finally:
            asking.close()

    def close(self) -> None:
        """End everybody; the servers end with the test."""
        self._stack.close()


@asynccontextmanager
async def asking(server: NatsServer) -> AsyncIterator[Mesh]:
    """Somebody on the far server, whose own connection nothing happens to."""
    async with Mesh.connect(url=server.url) as mesh:
        deadline = time.monotonic() + LONG_S
        while True:
            result = await mesh.all(Health, timeout_s=5.0)
            if result.coordinator and result.ended is Ended.COMPLETE and {one.where for one in result.each} == ALL:
                break
            assert time.monotonic() < deadline, result
            await asyncio.sleep(0.1)
        yield mesh


async def question_in_work_at_c1(mesh: Mesh, names: tuple[str, ...]) -> "tuple[asyncio.Task[MeshResult[Health]], int]":
    """The server picks a coordinator: asked again until it is c1 that gathers, and known to be in the middle of it.

    And how many questions are in work there: one that both had was given up here, and not there.
    """
    in_work = 0
    heard: list[Message] = []
    ear = await mesh.bus.subscribe("diag.mesh.health", heard.append)
    await mesh.bus.barrier()
    deadline = time.monotonic() + LONG_S
    while time.monotonic() < deadline:
        heard.clear()
        question = asyncio.create_task(Mesh(mesh.bus).all(Health, timeout_s=LONG_S))
        while not heard:
            await asyncio.sleep(0.01)
        about = CoordinatorQuestion(about=(heard[0].headers or {})[ASK_HEADER])
        while True:
            said = [await mesh.one(Coordinator, "mesh", about, instance=name, timeout_s=LONG_S) for name in names]
            working = [one.reply.instance for one in said if one.answer.working_on]
            if working:
                break
            await asyncio.sleep(0.01)
        in_work += "c1" in working
        if working == ["c1"]:
            await ear.unsubscribe()
            return question, in_work
        question.cancel()
        await asyncio.wait({question})
    raise AssertionError("c1 was never picked")


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("names", "linked"),
    [
        pytest.param(("c1", "c2"), False, id="its-server-dies-and-there-is-another-one"),
        pytest.param(("c1",), False, id="its-server-dies-and-there-is-no-other-one"),
        pytest.param(("c1", "c2"), True, id="its-link-is-cut-and-there-is-another-one"),
    ],
)
async def test_a_coordinator_that_is_cut_off_in_the_middle_of_a_gather_costs_the_hedge(
    make_server: MakeServer, tmp_path: Path, names: tuple[str, ...], linked: bool
) -> None:
    scene = await asyncio.to_thread(Scene, make_server, tmp_path, linked=linked)
    try:
        slow = scene.sidecar("i1")
        scene.sidecar("i2")
        programs = {name: scene.coordinator(name) for name in names}
        async with asking(scene.far) as mesh:
            slow.freeze()
            try:
                question, in_work = await question_in_work_at_c1(mesh, names)
                await asyncio.to_thread(scene.cut)
                cut_at = time.monotonic()
            finally:
                slow.thaw()
            result = await question
            assert time.monotonic() - cut_at < HEDGE_S + BACK_S
            # Nobody is called silent, neither by the one that was cut off nor by the one that answered.
            assert (result.silent, result.ended) == ((), Ended.COMPLETE), result.answer
            assert {one.where for one in result.each} == ALL
            # c1 may be back by then, over a server that it was told of, and say that it is no use yet.
            assert result.coordinator in names
            unanswered, back = "did not answer within 500 ms", "has just started or come back and does not know yet"
            whys = {f"a coordinator {unanswered}", f"a coordinator {back} who is missing"}
            assert result.hedged in {f"{why}; {result.coordinator} answered" for why in whys}
        # And that gather really was cut off, by its own account; its reply was kept back, not sent late.
        await told(scene, f"{_LOST}{in_work}.0")
        assert _SILENT not in scene.measured()
        kept_back = "a reply could not be sent: not sent: not connected to NATS"
        await asyncio.to_thread(wait_until, lambda: kept_back in programs["c1"].log_text(), LONG_S, kept_back)
        await asyncio.to_thread(scene.mend)
        async with asking(scene.far):
            assert all(program.running for program in programs.values())
    finally:
        await asyncio.to_thread(scene.close)


async def told(scene: Scene, line: str) -> None:
    deadline = time.monotonic() + LONG_S
    while line not in (said := await asyncio.to_thread(scene.measured)):
        assert time.monotonic() < deadline, said
        await asyncio.sleep(0.1)
