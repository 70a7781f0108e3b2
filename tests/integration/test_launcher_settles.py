"""Just after the end of a launched service, before its launcher has told how it ended: nobody hears a wrong word."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from diagmesh.client import Mesh
from diagmesh.contract.answers.health import ExitReason, Health, LastExit
from diagmesh.errors import BusError, Refusal
from support.launching import Launched
from support.natsserver import NatsServer
from support.procs import freeze, thaw

pytestmark = pytest.mark.timeout(300)
NOT_TOLD = "its launcher has not told yet how it ended"


@pytest.fixture
async def mesh(nats_server: NatsServer) -> AsyncIterator[Mesh]:
    async with Mesh.connect(url=nats_server.url, name="crashes") as mesh:
        yield mesh


async def looks(mesh: Mesh, seconds: float) -> list[Health]:
    """What health of orders/i1 says, asked again and again for so long."""
    seen, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            seen.append((await mesh.one(Health, "orders", instance="i1", timeout_s=5)).answer)
        except (BusError, Refusal):  # the sidecar is not there yet
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.002)
    return seen


async def last_exit(mesh: Mesh) -> LastExit | None:
    return (await mesh.one(Health, "orders", instance="i1", timeout_s=5)).answer.last_exit


async def test_while_the_launcher_lives_nobody_hears_of_an_end_without_how_it_came_about(
    mesh: Mesh, nats_server: NatsServer, tmp_path: Path
) -> None:
    command = ["sh", "-c", "sleep 1.5; echo going; exit 4"]
    seen: list[Health] = []
    with Launched(tmp_path, command, "--nats", nats_server.url, "--restart", "on-failure"):
        async with asyncio.timeout(60):
            while len({health.restarts_seen for health in seen}) < 3:  # two ends at least lie between
                seen += await looks(mesh, 0.5)
    gone = [health for health in seen if health.pid is None]
    assert {health.last_exit.reason for health in gone if health.last_exit} == {ExitReason.EXIT}
    assert [health.reason for health in gone if not health.last_exit or health.last_exit.code != 4] == []


async def test_a_frozen_launcher_is_waited_for_once_and_then_the_end_is_unknown(
    mesh: Mesh, nats_server: NatsServer, tmp_path: Path
) -> None:
    with Launched(tmp_path, ["sleep", "600"], "--nats", nats_server.url, "--linger", "30") as launched:
        while not any(health.pid for health in await looks(mesh, 0.5)):
            pass
        freeze(launched.pid)
        os.kill(launched.service, signal.SIGKILL)
        async with asyncio.timeout(30):
            while await last_exit(mesh) is None:  # the sidecar may not have noticed yet
                await asyncio.sleep(0.02)
        began = time.monotonic()
        for _ in range(10):
            last = await last_exit(mesh)
            assert last is not None
            assert (last.reason, last.detail) == (ExitReason.UNKNOWN, NOT_TOLD)
        assert time.monotonic() - began < 12.5, "only the first question waits: each for 2.5 s would be twice that"
        thaw(launched.pid)
        async with asyncio.timeout(30):
            while (last := await last_exit(mesh)) is None or last.reason is ExitReason.UNKNOWN:
                await asyncio.sleep(0.02)
        assert (last.reason, last.signal) == (ExitReason.SIGNAL, "SIGKILL")
