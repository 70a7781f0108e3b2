"""The demo services: orders asks payments, the switch is bounded and reverts, the door tells the truth."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.bus.memory import MemoryBus, MemoryServer
from diagmesh.errors import BusError
from diagmesh_lab.demo import payments as payments_module
from diagmesh_lab.demo.door import Door, Health
from diagmesh_lab.demo.orders import CREATE, Orders
from diagmesh_lab.demo.payments import CHARGE, SLOW, Payments
from diagmesh_lab.demo.service import Flags, Service


def memory_bus() -> MemoryBus:
    return MemoryServer().bus()


@asynccontextmanager
async def running(*services: Service) -> AsyncIterator[None]:
    for service in services:
        await service.start()
    try:
        yield
    finally:
        for service in services:
            await service.stop()


def flags(rate: float = 0.0, *, allow_faults: bool = True) -> Flags:
    return Flags(nats="", instance="i1", rate=rate, allow_faults=allow_faults)


async def fetch(port: int, request: bytes) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, body


async def test_an_order_is_charged() -> None:
    bus = memory_bus()
    orders, payments = Orders(bus, flags()), Payments(bus, flags())
    async with running(orders, payments):
        reply = await bus.request(CREATE, b"{}", timeout_s=5)
    assert json.loads(reply.data)["state"] == "paid"
    assert reply.headers is None
    assert (orders.recent.total, orders.recent.failed) == (1, 0)
    assert payments.recent.total == 1


async def test_slow_payments_fail_orders_and_make_orders_unwell() -> None:
    bus = memory_bus()
    orders, payments = Orders(bus, flags()), Payments(bus, flags())
    async with running(orders, payments):
        await bus.request(SLOW, b"600", timeout_s=5)
        began = time.monotonic()
        reply = await bus.request(CREATE, b"{}", timeout_s=5)
        assert reply.headers is not None
        assert "did not charge" in reply.headers["Nats-Service-Error"]
        assert orders.health().status == "failing"
        assert "1 of the last 1" in orders.health().reason
        async with asyncio.timeout(20):
            while not payments.recent.total:
                await asyncio.sleep(0.02)
        took = re.search(r"charges take (\d+) ms", payments.health().reason)
        assert took is not None
        assert 600 <= int(took[1]) <= 1000 * (time.monotonic() - began) + 1


async def test_nobody_makes_payments_slow_unless_that_is_allowed() -> None:
    bus = memory_bus()
    payments = Payments(bus, flags(allow_faults=False))
    async with running(payments):
        reply = await bus.request(SLOW, b"600", timeout_s=5)
    assert reply.headers == {
        "Nats-Service-Error": "started without --allow-faults",
        "Nats-Service-Error-Code": "403",
    }
    assert payments.delay_s == 0.0


async def test_the_load_makes_orders_by_itself() -> None:
    bus = memory_bus()
    orders, payments = Orders(bus, flags(rate=200.0)), Payments(bus, flags())
    charges = asyncio.Semaphore(0)
    await bus.subscribe(CHARGE, lambda _: charges.release())
    async with running(orders, payments), asyncio.timeout(20):
        for _ in range(5):
            await charges.acquire()
    assert orders.recent.failed == 0


async def test_the_switch_reverts_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payments_module, "_SLOW_FOR_S", 0.05)
    payments = Payments(memory_bus(), flags())
    assert payments.slow("400") == "each charge takes 400 ms longer for 0.05 s"
    assert payments.delay_s == 0.4
    await asyncio.sleep(0.1)
    assert payments.delay_s == 0.0


async def test_the_switch_can_be_set_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_PAYMENTS_SLOW_MS", "250")
    assert Payments(memory_bus(), flags()).delay_s == 0.25


@given(st.text(max_size=20) | st.tuples(st.floats(), st.floats()).map(lambda pair: f"{pair[0]} {pair[1]}"))
def test_no_wish_makes_payments_slower_than_the_bound(wish: str) -> None:
    payments = Payments(memory_bus(), flags())
    said = payments.slow(wish)
    assert 0 <= payments.delay_s <= 5
    assert said.startswith(("not understood", "each charge", "at normal speed"))


@pytest.mark.parametrize("wish", ["-1", "5001", "nan", "1 0", "1 601", "1 2 3", "fast"])
def test_an_impossible_wish_changes_nothing(wish: str) -> None:
    payments = Payments(memory_bus(), flags())
    payments.slow("100")
    assert "not understood" in payments.slow(wish)
    assert payments.delay_s == 0.1


async def test_the_door_tells_health_and_nothing_else() -> None:
    states = [Health(status="ok", requests=3), Health(status="failing", reason="no")]
    door = Door(lambda: states[0])
    port = await door.open(0)
    try:
        assert await fetch(port, b"GET /healthz HTTP/1.1\r\n\r\n") == (
            200,
            b'{"status":"ok","reason":"","requests":3,"errors":0}',
        )
        states.pop(0)
        status, body = await fetch(port, b"GET /healthz?x=1 HTTP/1.1\r\n\r\n")
        assert (status, json.loads(body)["reason"]) == (503, "no")
        assert (await fetch(port, b"GET / HTTP/1.1\r\n\r\n"))[0] == 404
        assert (await fetch(port, b"POST /healthz HTTP/1.1\r\n\r\n"))[0] == 405
        assert await fetch(port, b"GET /" + b"a" * 20_000) == (0, b"")
    finally:
        await door.close()


async def test_without_a_connection_the_service_is_failing() -> None:
    bus = memory_bus()
    payments = Payments(bus, flags())
    await bus.close()
    assert "no connection to NATS" in payments.health().reason
    with pytest.raises(BusError):
        await bus.request(SLOW, b"1", timeout_s=1)
