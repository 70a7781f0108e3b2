"""A mesh of real processes with a real server and its roles: complete, killed, frozen, leaving, lying."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from diagmesh.bus.nats import NatsBus
from diagmesh.client import Mesh
from diagmesh.contract.answers.health import Health
from diagmesh.contract.codec import encode
from diagmesh.contract.directory import InstanceState, Services
from diagmesh.contract.mesh import Ended
from diagmesh.contract.wire import Reply, Status
from diagmesh.errors import BusError, Declined
from diagmesh.expected import NOT_PERMITTED
from diagmesh.membership import Membership
from diagmesh.settings import NatsSettings
from support.programs import Program
from support.smallmesh import HEARTBEAT_S, SmallMesh

Asker = Callable[..., Awaitable[Mesh]]
SIDECARS: Final = (("orders", "i1"), ("orders", "i2"), ("payments", "p1"))
ALL: Final = {"orders/i1", "orders/i2", "payments/p1"}
GENEROUS_S: Final = 15.0
"""A deadline that nothing here may ever run into: who does was waited for in vain."""


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallMesh]:
    """A mesh in which nobody is hurt."""
    with SmallMesh(tmp_path_factory.mktemp("calm")) as small:
        for service, instance in SIDECARS:
            small.sidecar(service, instance)
        small.coordinator()
        yield small


@pytest.fixture
def rough(tmp_path: Path) -> Iterator[SmallMesh]:
    """The same, for tests that kill and freeze."""
    with SmallMesh(tmp_path) as small:
        for service, instance in SIDECARS:
            small.sidecar(service, instance)
        small.coordinator(more=f'operators = ["{small.ring.public["operator"]}"]')
        yield small


@pytest.fixture
async def asker() -> AsyncIterator[Asker]:
    """Makes a client of a mesh; closed with the test."""
    made: list[Mesh] = []

    async def connect(small: SmallMesh, **settings: Any) -> Mesh:
        made.append(await Mesh.connect(url=small.url, **settings))
        return made[-1]

    yield connect
    for mesh in made:
        await mesh.close()


async def until(mesh: Mesh, holds: Callable[[Services], bool], what: str) -> Services:
    """The directory, as soon as something holds in it."""
    deadline = time.monotonic() + GENEROUS_S
    while True:
        services = await mesh.services()
        if holds(services):
            return services
        assert time.monotonic() < deadline, f"never: {what}; last seen: {services}"
        await asyncio.sleep(0.1)


def states(services: Services) -> dict[str, InstanceState]:
    return {f"{entry.service}/{one.instance}": one.state for entry in services.services for one in entry.instances}


def role(small: SmallMesh, name: str, inbox: str) -> NatsSettings:
    return NatsSettings(url=small.url, nkey_file=str(small.ring.seed_file(name)), inbox_prefix=inbox)


# --- nobody is hurt


async def test_when_all_answer_it_ends_with_the_last_answer(calm: SmallMesh, asker: Asker) -> None:
    mesh = await asker(calm)
    began = time.monotonic()
    result = await mesh.all(Health, timeout_s=GENEROUS_S)
    assert time.monotonic() - began < GENEROUS_S / 3
    assert (result.ended, result.silent, result.unexpected, result.coordinator) == (Ended.COMPLETE, (), (), "c1")
    assert {heard.where for heard in result.each} == ALL
    assert {heard.answer.state.value for heard in result.each} == {"up"}
    assert result.answer.fields["state"].counts == {"up": 3}
    assert result.answer.by_status == {"answered": 3}


async def test_any_kind_of_the_agents_and_any_selection(calm: SmallMesh, asker: Asker) -> None:
    mesh = await asker(calm)
    assert "resources" in (await mesh.services()).kinds
    resources = await mesh.mesh("resources", services=["orders"], timeout_s=GENEROUS_S)
    assert (resources.answer.answered, resources.ended) == (2, Ended.COMPLETE)
    assert any(field.n == 2 and field.max is not None for field in resources.answer.fields.values())
    one = await mesh.all(Health, instances=["orders/i2"], timeout_s=GENEROUS_S)
    assert [heard.where for heard in one.each] == ["orders/i2"]
    limited = await mesh.mesh(Health, limit=1, timeout_s=GENEROUS_S)
    assert (limited.answer.answered, limited.ended, limited.silent) == (1, Ended.LIMIT, ())


async def test_what_cannot_be_meant_is_declined_by_name(calm: SmallMesh, asker: Asker) -> None:
    mesh = await asker(calm)
    for selection, code in (
        ({"services": ["nope"]}, 404),
        ({"instances": ["nope"]}, 404),
        ({"labels": {"a": "b"}}, 404),
    ):
        with pytest.raises(Declined) as caught:
            await mesh.mesh(Health, timeout_s=GENEROUS_S, **selection)
        assert caught.value.code == code
    unknown = await mesh.one("no-such-kind", "mesh")
    assert unknown.problem is not None
    assert unknown.problem.code == 404
    assert "health" in unknown.problem.hint
    wrong = await mesh.bus.request("diag.mesh.health", b'{"servces": ["orders"]}', timeout_s=GENEROUS_S)
    assert wrong.headers is not None
    assert wrong.headers["Nats-Service-Error-Code"] == "400"
    assert b"servces" in wrong.data


async def test_a_stream_gives_each_reply_and_then_its_end(calm: SmallMesh, asker: Asker) -> None:
    stream = (await asker(calm)).stream(Health, timeout_s=GENEROUS_S)
    heard = [one.where async for one in stream]
    assert (set(heard), len(heard)) == (ALL, 3)
    assert (stream.ended, stream.silent, stream.unexpected) == (Ended.COMPLETE, (), ())


async def test_a_member_cannot_answer_for_another_service(calm: SmallMesh, asker: Asker) -> None:
    """Another member with a valid key of payments answers in the name of orders, and once more for itself."""
    mesh = await asker(calm)
    liar = await NatsBus.connect(role(calm, "agent-payments", "_INBOX_agent_payments"), "liar")
    tasks: set[asyncio.Task[None]] = set()

    def lie(instance: str, service: str, reply: str) -> None:
        said = Reply(v=1, service=service, instance=instance, kind="health", status=Status.ANSWERED)
        task = asyncio.get_running_loop().create_task(liar.publish(reply, encode(said)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    subscription = await liar.subscribe("diag.payments.health.all", lambda message: lie("i1", "orders", message.reply))
    try:
        await liar.barrier()
        deadline = time.monotonic() + GENEROUS_S
        while time.monotonic() < deadline:
            # The lie may come after the last true answer, when nobody listens any more; then ask again.
            result = await mesh.all(Health, timeout_s=GENEROUS_S)
            assert {heard.where for heard in result.each} == ALL
            if result.unexpected:
                break
        (forged,) = result.unexpected
        assert (forged.service, forged.instance) == ("orders", "i1")
        assert "only payments can answer" in forged.reason
    finally:
        await subscription.unsubscribe()
        await liar.close()


async def test_a_role_that_may_not_ask_for_connections_is_told_so(calm: SmallMesh) -> None:
    bus = await NatsBus.connect(role(calm, "agent-orders", "_INBOX_agent_orders"), "curious")
    try:
        seen = await asyncio.wait_for(Membership(bus, total_s=GENEROUS_S).look(0), GENEROUS_S / 2)
        assert seen.problem == NOT_PERMITTED
    finally:
        await bus.close()


async def test_a_fresh_coordinator_answers_for_whom_it_finds_and_says_that_it_is_warming(
    calm: SmallMesh, asker: Asker
) -> None:
    mesh = await asker(calm)
    forgetful = 'heartbeat_s = 60\nregistry = { keep = "off" }'
    with calm.coordinator("fresh", forgetful, warm=False) as fresh:
        heard = await mesh.one("health", "mesh", instance="fresh", timeout_s=GENEROUS_S)
        assert (heard.answer.ended, heard.answer.answered, heard.answer.silent) == (Ended.WARMING, 3, ())
        unknown = await mesh.one("not-heard-of", "mesh", instance="fresh", timeout_s=GENEROUS_S)
        assert unknown.problem is None, "who has not heard everybody cannot say that nobody answers"
        await until(mesh, lambda seen: len(seen.coordinators) == 2, "each coordinator knows of the other")
        assert fresh.stop() == 0
    await until(mesh, lambda seen: len(seen.coordinators) == 1, "its bye is heard")


# --- somebody is hurt


async def test_a_killed_sidecar_is_not_connected_at_the_next_look(rough: SmallMesh, asker: Asker) -> None:
    mesh = await asker(rough)
    await mesh.mesh(Health)
    rough.sidecars["orders/i1"].kill()
    began = time.monotonic()
    result = await mesh.all(Health, timeout_s=GENEROUS_S)
    assert time.monotonic() - began < GENEROUS_S / 3, "whoever is not connected is not waited for"
    assert result.ended is Ended.COMPLETE
    (silent,) = result.silent
    assert (silent.service, silent.instance) == ("orders", "i1")
    assert silent.reason.startswith("not connected: its sidecar is not connected")
    assert "the service itself was not seen" in silent.reason
    assert silent.last_seen is not None
    assert {heard.where for heard in result.each} == ALL - {"orders/i1"}
    assert states(await mesh.services())["orders/i1"] is InstanceState.NOT_CONNECTED
    assert rough.watched["orders/i1"].running
    rough.sidecar("orders", "i1")
    await until(mesh, lambda seen: set(states(seen).values()) == {InstanceState.LIVE}, "the new start is live")
    assert (await mesh.mesh(Health, timeout_s=GENEROUS_S)).answer.by_status == {"answered": 3}


async def test_a_frozen_sidecar_is_connected_but_silent_and_never_waited_for_longer(
    rough: SmallMesh, asker: Asker
) -> None:
    mesh = await asker(rough)
    sidecar = rough.sidecars["payments/p1"]
    sidecar.freeze()
    began = time.monotonic()
    result = await mesh.all(Health, timeout_s=3.0)  # long enough for the others
    assert time.monotonic() - began < GENEROUS_S / 3
    assert result.ended is Ended.TIMEOUT
    (silent,) = result.silent
    assert (silent.service, silent.reason.partition(":")[0]) == ("payments", "connected but silent")
    assert {heard.where for heard in result.each} == ALL - {"payments/p1"}
    await asyncio.sleep(3.5 * HEARTBEAT_S)
    began = time.monotonic()
    later = await mesh.mesh(Health, timeout_s=GENEROUS_S)
    assert time.monotonic() - began < GENEROUS_S / 3, "once it is lost it is not waited for"
    assert [one.reason.partition(":")[0] for one in later.silent] == ["connected but silent"]
    assert rough.watched["payments/p1"].running
    sidecar.thaw()
    await until(mesh, lambda seen: states(seen)["payments/p1"] is InstanceState.LIVE, "it is back")
    assert (await mesh.mesh(Health, timeout_s=GENEROUS_S)).answer.by_status == {"answered": 3}


async def test_who_leaves_on_purpose_is_expected_no_longer(rough: SmallMesh, asker: Asker) -> None:
    mesh = await asker(rough)
    assert rough.sidecars["orders/i2"].stop() == 0
    result = await mesh.mesh(Health, timeout_s=GENEROUS_S)
    assert (result.answer.expected, result.silent) == (2, ())
    assert "orders/i2" not in states(await mesh.services())


async def test_a_restarted_server_costs_nobody_their_name(rough: SmallMesh, asker: Asker) -> None:
    mesh = await asker(rough)
    rough.server.restart()
    deadline = time.monotonic() + GENEROUS_S
    while True:
        try:
            result = await mesh.mesh(Health, timeout_s=1.0)
            seen = f"{result.coordinator}: {result.answer.by_status}"
        except BusError as error:
            seen = str(error)  # while the server is away, any named error of the bus is right
        if seen == "c1: {'answered': 3}":
            break
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.1)
    assert set(states(await mesh.services())) == ALL


async def test_right_after_a_restart_of_the_server_nobody_is_called_lost(rough: SmallMesh, asker: Asker) -> None:
    mesh = await asker(rough)
    await mesh.mesh(Health)
    sidecar = rough.sidecars["payments/p1"]
    sidecar.freeze()  # so that it has certainly not returned yet
    rough.server.restart()
    deadline, result = time.monotonic() + GENEROUS_S, None
    while result is None or not result.coordinator:
        assert time.monotonic() < deadline, "no coordinator answered"
        with contextlib.suppress(BusError):  # as long as the server is away
            result = await mesh.mesh(Health, timeout_s=1.0)
        await asyncio.sleep(0.02)
    assert result.ended is Ended.WARMING
    reasons = {one.instance: one.reason for one in result.silent}
    assert reasons["p1"].startswith("unknown: the server was back for ")
    assert not any("not connected" in reason for reason in reasons.values())
    sidecar.thaw()
    await until(mesh, lambda seen: seen.live == 3 and seen.ended is Ended.COMPLETE, "all are back")


async def test_an_operators_word_makes_it_forget(rough: SmallMesh, asker: Asker) -> None:
    mesh = await asker(rough)
    rough.sidecars["orders/i1"].kill()
    operator = await asker(rough, nkey_file=str(rough.ring.seed_file("operator")), inbox_prefix="_INBOX_priv")
    seed = rough.ring.seed_file("operator")
    await until(mesh, lambda seen: states(seen)["orders/i1"] is InstanceState.NOT_CONNECTED, "it is gone")
    await asyncio.sleep(3.5 * HEARTBEAT_S)
    (outcome,) = await operator.forget("orders", "i1", seed_file=seed)
    assert [one.instance for one in outcome.answer.forgotten] == ["i1"]
    assert set(states(await mesh.services())) == ALL - {"orders/i1"}
    (stranger,) = await operator.forget("orders", "i2", seed_file=rough.ring.seed_file("agent-orders"))
    assert stranger.problem is not None
    assert stranger.problem.code == 403


async def test_without_a_coordinator_the_client_asks_itself_and_says_so(tmp_path: Path, asker: Asker) -> None:
    with SmallMesh(tmp_path) as small:
        small.sidecar("orders", "i1")
        mesh = await asker(small)
        began = time.monotonic()
        result = await mesh.all(Health, timeout_s=GENEROUS_S)
        assert time.monotonic() - began < GENEROUS_S / 3
        assert [heard.where for heard in result.each] == ["orders/i1"]
        assert result.answer.notes[0].startswith("no coordinator answered")
        assert result.coordinator == ""
        named = await mesh.all(Health, services=["orders"], timeout_s=GENEROUS_S)
        assert [heard.where for heard in named.each] == ["orders/i1"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--instance", "Not Legal"], "no legal name"),
        (["--operator", "nonsense"], "operators"),
        (["--replicas", "orders"], "SERVICE=N"),
        (["--nonsense"], "--help"),
    ],
)
def test_wrong_settings_end_it_with_64_and_the_reason(tmp_path: Path, arguments: list[str], says: str) -> None:
    with Program(["python", "-m", "diagmesh_coordinator", *arguments], tmp_path / "log") as program:
        deadline = time.monotonic() + GENEROUS_S
        while program.running and time.monotonic() < deadline:
            time.sleep(0.05)
        assert program.stop() == 64
        assert says in program.log_text()
