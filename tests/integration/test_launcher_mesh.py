"""What the mesh hears of a launched service: how it ended, once, whatever becomes of the sidecar."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from diagmesh.bus.core import Message
from diagmesh.bus.nats import NatsBus
from diagmesh.contract.answers.health import ExitReason, Health, State
from diagmesh.contract.codec import decode_reply
from diagmesh.contract.presence import Event, Heartbeat
from diagmesh.errors import BusError
from diagmesh.settings import NatsSettings
from support.godemo import build
from support.golang import Go, GoProgram
from support.launching import Launched, beginning_late
from support.natsserver import NatsServer
from support.procs import alive, freeze, thaw
from support.programs import wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def talker(go_program: GoProgram) -> Path:
    return go_program("talker")


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[NatsBus]:
    bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "test")
    yield bus
    await bus.close()


class Heard:
    """The exit events and the goodbyes."""

    def __init__(self) -> None:
        self.exits: list[Event] = []
        self.byes = 0

    @classmethod
    async def on(cls, bus: NatsBus) -> "Heard":
        heard = cls()
        await bus.subscribe("diagev.ev.orders.exit", heard._exit)
        await bus.subscribe("diagev.hb.orders.*", heard._beat)
        await bus.barrier()
        return heard

    def _exit(self, message: Message) -> None:
        self.exits.append(msgspec.json.decode(message.data, type=Event))

    def _beat(self, message: Message) -> None:
        self.byes += msgspec.json.decode(message.data, type=Heartbeat).bye


async def until(bus: NatsBus, holds: Callable[[Health], bool], what: str, within_s: float = 40) -> Health:
    """The first health of orders/i1 that fits."""
    last: Any = None
    try:
        async with asyncio.timeout(within_s):
            while True:
                try:
                    reply = decode_reply((await bus.request("diag.orders.health.i1", timeout_s=2)).data)
                    health = msgspec.json.decode(bytes(reply.answer), type=Health)  # type: ignore[arg-type]  # answered
                    if holds(health):
                        return health
                    last = health
                except BusError as error:
                    last = error
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never {what}, last: {last}") from None


def told(health: Health) -> bool:
    """Down, and the launcher has said how it came about (some milliseconds after the end)."""
    last = health.last_exit
    return health.state is State.DOWN and last is not None and last.reason is not ExitReason.UNKNOWN


async def ended(launched: Launched) -> int:
    return await asyncio.to_thread(launched.ended)


async def sent_away(launched: Launched) -> int:
    """The exit code of one that lingers, and is told to go after time for a second word of his, if he had one."""
    await asyncio.sleep(1.5)
    launched.process.send_signal(signal.SIGTERM)
    return await ended(launched)


async def test_a_panic_is_answered_told_once_and_the_sidecar_says_goodbye(
    bus: NatsBus, nats_server: NatsServer, talker: Path, tmp_path: Path
) -> None:
    heard = await Heard.on(bus)
    script = 'while [ ! -e "$1" ]; do sleep 0.05; done; exec "$0" panic -'
    command = ["sh", "-c", script, talker, tmp_path / "go"]
    with Launched(tmp_path, command, "--nats", nats_server.url, "--linger", "6") as launched:
        up = await until(bus, lambda health: health.state is State.UP, "up")
        assert up.pid == launched.service
        assert up.checks[0].target == "the service that was launched"
        assert up.last_exit is None
        (tmp_path / "go").touch()
        down = await until(bus, told, "down")
        last = down.last_exit
        assert last is not None
        assert (last.reason, last.code, last.pid) == (ExitReason.PANIC, 2, up.pid)
        assert last.last_words.startswith("panic: runtime error: index out of range [7]")
        assert down.reason == f"it panicked: {last.detail} (the service that was launched)"
        assert (last.restart_at, down.restarts_seen) == (None, 0)
        assert await ended(launched) == 2
    await bus.barrier()
    (event,) = heard.exits
    assert (event.service, event.instance, event.kind) == ("orders", "i1", "exit")
    assert event.detail["reason"] == "panic"
    assert event.what == f"it panicked: {last.detail}"
    assert event.at == last.at
    assert heard.byes == 1


@pytest.mark.parametrize("when", ["killed before", "killed after", "frozen"])
async def test_an_exit_is_told_once_whatever_becomes_of_the_sidecar(
    bus: NatsBus, nats_server: NatsServer, talker: Path, tmp_path: Path, when: str
) -> None:
    heard = await Heard.on(bus)
    command = [talker, "sleep", tmp_path / "n"]
    with Launched(tmp_path, command, "--nats", nats_server.url, "--linger", "90") as launched:
        await until(bus, lambda health: health.state is State.UP, "up")
        service, sidecar = launched.service, launched.sidecar
        if when == "killed before":
            os.kill(sidecar, signal.SIGKILL)
        elif when == "frozen":
            freeze(sidecar)
        os.kill(service, signal.SIGKILL)
        if when == "frozen":
            await asyncio.to_thread(wait_until, lambda: bool(launched.records()), 20, "the launcher waits for nobody")
            assert heard.exits == []
            thaw(sidecar)
        elif when == "killed after":
            await asyncio.to_thread(wait_until, lambda: bool(heard.exits), 20, "it is told")
            # That it was told is noted only when the server has confirmed it. The first answer comes after the question
            # for that, so the server's word arrives before the second question, and has been noted at the third.
            for _ in range(3):
                await until(bus, told, "told by the one that will be killed")
            os.kill(sidecar, signal.SIGKILL)
        down = await until(bus, told, "told by whoever answers now")
        assert down.last_exit is not None
        assert (down.state, down.last_exit.signal) == (State.DOWN, "SIGKILL")
        assert await sent_away(launched) == 137
    await bus.barrier()
    assert [event.detail["signal"] for event in heard.exits] == ["SIGKILL"]


async def test_between_two_starts_health_says_why_and_when(
    bus: NatsBus, nats_server: NatsServer, tmp_path: Path
) -> None:
    heard = await Heard.on(bus)
    script = f"if [ -e {tmp_path}/twice ]; then sleep 600; fi; [ -e {tmp_path}/once ] && touch {tmp_path}/twice;"
    script += f"touch {tmp_path}/once; sleep 3; echo password=hush; exit 4"
    flags = ("--nats", nats_server.url, "--restart", "on-failure")
    with Launched(tmp_path, ["sh", "-c", script], *flags) as launched:
        down = await until(bus, told, "down in between")
        last = down.last_exit
        assert last is not None
        assert (last.reason, last.code, last.last_words) == (ExitReason.EXIT, 4, "password=[redacted]\n")
        assert last.restart_at is not None
        assert "it ended with exit code 4; it is started again" in down.reason
        again = await until(bus, lambda health: health.restarts_seen == 2 and health.pid is not None, "up again")
        assert again.pid == launched.service
        assert again.last_exit is not None
        assert (again.last_exit.code, again.last_exit.restart_at, again.last_exit.last_seen) == (4, None, None)
        launched.process.send_signal(signal.SIGTERM)
        assert await ended(launched) == 128 + signal.SIGTERM
    await bus.barrier()
    assert [event.detail.get("code") for event in heard.exits] == [4, 4, None]
    assert heard.exits[2].detail["asked"] is True


async def test_a_short_life_is_told_although_nothing_lingers(
    bus: NatsBus, nats_server: NatsServer, tmp_path: Path
) -> None:
    heard = await Heard.on(bus)
    with Launched(tmp_path, ["sh", "-c", "exit 9"], "--nats", nats_server.url, "--linger", "0") as launched:
        assert await ended(launched) == 9
    await bus.barrier()
    assert [event.detail["code"] for event in heard.exits] == [9]


@pytest.mark.parametrize(("late_s", "codes"), [(3.5, [9]), (600, [])], ids=["late", "never"])
async def test_a_sidecar_that_begins_late_is_waited_for_but_not_for_ever(
    bus: NatsBus, nats_server: NatsServer, tmp_path: Path, late_s: float, codes: list[int]
) -> None:
    heard, slow = await Heard.on(bus), beginning_late(tmp_path, "--launched=", late_s)
    flags = ("--nats", nats_server.url, "--linger", "0")
    with Launched(tmp_path, ["sh", "-c", "exit 9"], *flags, environment=slow) as launched:
        assert await ended(launched) == 9
    await bus.barrier()
    assert [event.detail["code"] for event in heard.exits] == codes


async def test_a_launcher_that_is_gone_leaves_an_unknown_end(
    bus: NatsBus, nats_server: NatsServer, talker: Path, tmp_path: Path
) -> None:
    heard, command = await Heard.on(bus), [talker, "sleep", tmp_path / "n"]
    with Launched(tmp_path, command, "--nats", nats_server.url, "--linger", "5") as launched:
        await until(bus, lambda health: health.state is State.UP, "up")
        service, sidecar = launched.service, launched.sidecar
        os.kill(launched.pid, signal.SIGKILL)
        await asyncio.sleep(1)
        still = await until(bus, lambda health: health.state is State.UP, "up, without its launcher")
        assert still.pid == service
        os.kill(service, signal.SIGKILL)
        down = await until(bus, lambda health: health.state is State.DOWN, "down")
        assert down.last_exit is not None
        assert down.last_exit.reason is ExitReason.UNKNOWN
        assert "its launcher is gone" in down.last_exit.detail
        await asyncio.to_thread(wait_until, lambda: not alive(sidecar), 30, "the sidecar leaves, nothing is left")
    await bus.barrier()
    assert [(event.detail["reason"], event.detail["pid"]) for event in heard.exits] == [("unknown", service)]
    assert heard.byes == 1


async def test_a_settings_file_with_one_target_can_be_launched(
    bus: NatsBus, nats_server: NatsServer, tmp_path: Path
) -> None:
    config = tmp_path / "sidecar.toml"
    config.write_text(
        f'heartbeat_s = 0.5\n[nats]\nurl = "{nats_server.url}"\n[[targets]]\nservice = "orders"\ninstance = "i1"\n'
    )
    with Launched(tmp_path, ["sleep", "600"], "--config", config) as launched:
        await until(bus, lambda health: health.state is State.UP and health.pid == launched.service, "up")
        launched.process.send_signal(signal.SIGTERM)
        assert await ended(launched) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("fault", "reason", "code"), [("panic", "panic", 2), ("fatal", "fatal-error", 2), ("exit", "exit", 3)]
)
async def test_the_demo_ends_under_the_launcher_as_its_switches_say(
    bus: NatsBus, nats_server: NatsServer, go: Go, tmp_path: Path, fault: str, reason: str, code: int
) -> None:
    heard, ready = await Heard.on(bus), tmp_path / "ready"
    command = [
        build(go) / "orders",
        "--nats",
        nats_server.url,
        "--instance",
        "i1",
        "--ready-file",
        ready,
        "--allow-faults",
    ]
    with Launched(tmp_path, command, "--nats", nats_server.url, "--linger", "90") as launched:
        await until(bus, lambda health: health.state is State.UP and ready.exists(), "up")
        await asyncio.sleep(0.5)
        await bus.publish("demo.orders.i1.fault", json.dumps({"fault": fault, "on": True}).encode())
        down = await until(bus, told, "down")
        assert down.last_exit is not None
        assert down.last_exit.reason.value == reason
        assert await sent_away(launched) == down.last_exit.code == code
    await bus.barrier()
    assert [event.detail["reason"] for event in heard.exits] == [reason]
