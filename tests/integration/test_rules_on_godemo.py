"""Switches of the Go demo, each named by its rule and by no other, until it is taken back."""

import asyncio
from collections.abc import Iterator

import pytest

from diagmesh.settings import ProbeSettings, RuleSettings
from support.godemo import GoDemo, GoService, build
from support.golang import Go
from support.natsserver import NatsServer
from support.ruling import found, watched


@pytest.fixture(scope="module")
def payments(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoService]:
    with (
        NatsServer(tmp_path_factory.mktemp("nats"), jetstream=True) as server,
        GoDemo(build(go), server.url, tmp_path_factory.mktemp("demo")) as demo,
    ):
        service = demo.service("payments")
        demo.connected(service)
        yield service


@pytest.mark.parametrize("fault", ["not-ready", "hold-lock", "deadlock"])
async def test_it_says_itself_that_it_is_not_ready(payments: GoService, fault: str) -> None:
    probe = ProbeSettings(name="ready", http=f"http://127.0.0.1:{payments.port}/healthz", timeout_s=4)
    async with watched(pid=payments.process.pid, probes=[probe]) as it:
        await it.until()
        await asyncio.to_thread(payments.turn, fault)
        assert "probe ready: code 503" in found(await it.until("PROC-006"), "PROC-006").title
        await asyncio.to_thread(payments.turn, fault, on=False)
        await it.until()


async def test_threads_blocked_in_system_calls_pile_up(payments: GoService) -> None:
    settled = RuleSettings(code="RES-009", limits={"settled_s": 0.0})
    async with watched(settled, pid=payments.process.pid) as it:
        await it.samples(40)
        await asyncio.to_thread(payments.turn, "threads", amount=60)
        assert "more than usual" in found(await it.until("RES-009"), "RES-009").title
        await asyncio.to_thread(payments.turn, "threads", on=False)
        await it.until()
