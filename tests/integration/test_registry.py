"""What must survive a coordinator survives it, on real servers; and where it cannot, all goes on and says so."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from diagmesh.bus.nats import NatsBus
from diagmesh.bus.nats.bucket import Bucket
from diagmesh.client import Mesh
from diagmesh.client.forget import forget
from diagmesh.contract.answers.health import Health
from diagmesh.contract.codec import decode_reply
from diagmesh.contract.control import ForgetQuestion
from diagmesh.contract.directory import CoordinatorEntry, InstanceEntry, InstanceState, RegistryState, Services
from diagmesh.contract.mesh import Ended
from diagmesh.settings import NatsSettings
from support.natsserver import MakeServer, NatsServer
from support.ports import free_port
from support.programs import Program
from support.smallmesh import SmallMesh

STREAM: Final = "KV_diag_registry"
LONG_S: Final = 90.0
"""A bound that nothing here should ever reach."""
SLOW_TO_WARM: Final = "heartbeat_s = 30"
"""A coordinator that knows nobody would say for 36 seconds that it cannot tell yet who is missing."""


def states(services: Services) -> dict[str, InstanceState]:
    return {f"{entry.service}/{one.instance}": one.state for entry in services.services for one in entry.instances}


def entry(services: Services, where: str) -> InstanceEntry:
    service, instance = where.split("/")
    (found,) = [one for each in services.services if each.service == service for one in each.instances]
    assert found.instance == instance
    return found


async def of(bus: NatsBus, coordinator: str) -> Services:
    """What one coordinator says."""
    reply = decode_reply((await bus.request(f"diag.mesh.services.{coordinator}", timeout_s=10.0)).data)
    assert isinstance(reply.answer, msgspec.Raw), reply.problem
    return msgspec.json.decode(reply.answer, type=Services)


async def until(bus: NatsBus, holds: Callable[[Services], object], what: str, coordinator: str = "c1") -> Services:
    """The directory of a coordinator as soon as something holds in it; one that is away is asked again."""
    deadline, last = time.monotonic() + LONG_S, ""
    while time.monotonic() < deadline:
        try:
            services = await of(bus, coordinator)
            if holds(services):
                return services
            last = str(services)
        except Exception as error:  # noqa: BLE001  no answer is what some tests are about
            last = repr(error)
        await asyncio.sleep(0.2)
    raise AssertionError(f"never: {what}; last: {last}")


def kept(services: Services) -> bool:
    registry = services.registry
    return registry is not None and registry.state is RegistryState.KEPT and registry.pending == 0


def degraded(words: str) -> Callable[[Services], bool]:
    def holds(services: Services) -> bool:
        registry = services.registry
        return registry is not None and registry.state is RegistryState.DEGRADED and words in registry.reason

    return holds


# --- with all roles: one that starts anew, and a second one


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallMesh]:
    with SmallMesh(tmp_path) as small:
        yield small


def with_operator(small: SmallMesh, more: str = "") -> str:
    return f'operators = ["{small.ring.public["operator"]}"]\n{more}'


@asynccontextmanager
async def role(small: SmallMesh, name: str, inbox: str) -> AsyncIterator[NatsBus]:
    settings = NatsSettings(url=small.url, nkey_file=str(small.ring.seed_file(name)), inbox_prefix=inbox)
    bus = await NatsBus.connect(settings, f"test of {name}", timeout_s=LONG_S)
    try:
        yield bus
    finally:
        await bus.close()


async def told_to_forget(small: SmallMesh, bus: NatsBus, service: str, instance: str, coordinator: str = "c1") -> int:
    """Have one coordinator forget somebody; returns how many it did."""
    (we,) = [one for one in (await of(bus, coordinator)).coordinators if one.self]
    async with role(small, "operator", "_INBOX_priv") as operator:
        told = (CoordinatorEntry(instance=coordinator, boot=we.boot),)
        question = ForgetQuestion(service=service, instance=instance)
        (heard,) = await forget(operator, told, question, small.ring.seed_file("operator"), 10.0)
    return len(heard.answer.forgotten)


@pytest.mark.timeout(240)
async def test_a_killed_coordinator_knows_at_once_what_it_knew_before(small: SmallMesh) -> None:
    small.sidecar("orders", "i1", labels={"zone": "a"})
    small.sidecar("orders", "i2")
    small.sidecar("payments", "p1")
    small.sidecar("payments", "p2")
    first = small.coordinator(more=with_operator(small, "replicas = { orders = 3, payments = 1 }"), warm=False)
    async with role(small, "reader", "_INBOX") as bus:
        await until(bus, lambda one: one.live == 4 and kept(one), "four live instances, written down")
        small.sidecars["payments/p1"].kill()
        small.sidecars["payments/p2"].stop()
        assert await told_to_forget(small, bus, "payments", "p1") == 1
        await until(bus, lambda one: set(states(one)) == {"orders/i1", "orders/i2"} and kept(one), "two are gone")
        first.kill()
        small.sidecars["orders/i2"].kill()
        away = datetime.now(UTC)
        small.coordinator(more=with_operator(small, SLOW_TO_WARM), warm=False)
        services = await of(bus, "c1")
        assert states(services) == {"orders/i1": InstanceState.LIVE, "orders/i2": InstanceState.NOT_CONNECTED}
        declared = {one.service: (one.declared, one.lacking) for one in services.services}
        assert declared == {"orders": (3, 1), "payments": (1, 1)}
        (orders,) = [one for one in services.services if one.service == "orders"]
        i1, i2 = orders.instances
        assert i1.labels == {"zone": "a"}
        assert i2.last_seen is not None
        assert i2.last_seen < away
        assert i2.boot
        assert services.ended is Ended.COMPLETE  # although it has heard nearly nothing itself
        async with Mesh.connect(url=small.url) as mesh:
            total = (await mesh.mesh(Health, timeout_s=10.0)).answer
            assert (total.ended, total.answered) == (Ended.COMPLETE, 1)
            (silent,) = [one for one in total.silent if one.instance]
            assert (silent.instance, silent.last_seen) == ("i2", i2.last_seen)
            assert silent.reason.startswith("not connected")
        small.sidecar("payments", "p1")
        await until(bus, lambda one: states(one).get("payments/p1") is InstanceState.LIVE, "the forgotten one is back")


@pytest.mark.timeout(240)
async def test_without_a_registry_a_coordinator_that_starts_knows_nobody(small: SmallMesh) -> None:
    small.sidecar("orders", "i1")
    small.sidecar("orders", "i2")
    first = small.coordinator(more='registry = { keep = "off" }')
    async with role(small, "reader", "_INBOX") as bus:
        services = await of(bus, "c1")
        assert services.registry is not None
        assert (services.registry.state, "settings say so" in services.registry.reason) == (RegistryState.OFF, True)
        first.kill()
        small.sidecars["orders/i2"].kill()
        small.coordinator(more=f'registry = {{ keep = "off" }}\n{SLOW_TO_WARM}', warm=False)
        services = await of(bus, "c1")
        assert (services.ended, "orders/i2" in states(services)) == (Ended.WARMING, False)


@pytest.mark.timeout(240)
async def test_a_second_coordinator_learns_what_the_first_one_is_told(small: SmallMesh) -> None:
    small.sidecar("orders", "i1")
    small.sidecar("orders", "i2")
    small.coordinator("c1", with_operator(small, "replicas = { orders = 2 }"), warm=False)
    small.coordinator("c2", with_operator(small), warm=False)
    async with role(small, "reader", "_INBOX") as bus:
        for name in ("c1", "c2"):
            await until(bus, lambda one: one.live == 2 and kept(one), "both live", name)
        await until(bus, lambda one: one.services[0].declared == 2, "what the other one declares", "c2")
        small.sidecars["orders/i2"].freeze()  # connected, and lost by its heartbeats
        for name in ("c1", "c2"):
            await until(bus, lambda one: states(one)["orders/i2"] is InstanceState.SILENT, "lost", name)
        assert await told_to_forget(small, bus, "orders", "i2", "c1") == 1
        await until(bus, lambda one: set(states(one)) == {"orders/i1"}, "forgotten by the other one, too", "c2")
        small.sidecars["orders/i2"].thaw()
        for name in ("c1", "c2"):
            await until(bus, lambda one: states(one).get("orders/i2") is InstanceState.LIVE, "back", name)


# --- without roles: what can become of a bucket


class Plain:
    """Servers without roles, and what a test starts on them."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.url = url
        self._programs: list[Program] = []

    def coordinator(self, more: str = "", name: str = "c1") -> Program:
        text = f'instance = "{name}"\nheartbeat_s = 0.5\n{more}\n[nats]\nurl = "{self.url}"\n'
        return self._start("diagmesh_coordinator", f"coordinator-{name}", text)

    def sidecar(self, instance: str, labels: str = "") -> Program:
        target = f'[[targets]]\nservice = "orders"\ninstance = "{instance}"\nlabels = {{ {labels} }}\n'
        return self._start("diagmesh_agents", instance, f'heartbeat_s = 0.5\n{target}[nats]\nurl = "{self.url}"\n')

    def _start(self, module: str, name: str, text: str) -> Program:
        file = self.directory / f"{name}.toml"
        file.write_text(text, encoding="utf-8")
        program = Program(["python", "-m", module, "--config", file], self.directory / f"{name}.log")
        self._programs.append(program)
        return program

    def close(self) -> None:
        for one in self._programs:
            one.close()


@pytest.fixture
def plain(tmp_path: Path, make_server: MakeServer) -> Iterator[Callable[[str], Plain]]:
    made: list[Plain] = []

    def make(url: str) -> Plain:
        made.append(Plain(tmp_path, url))
        return made[-1]

    yield make
    for one in made:
        one.close()


@asynccontextmanager
async def joined(url: str) -> AsyncIterator[NatsBus]:
    bus = await NatsBus.connect(NatsSettings(url=url), "test", timeout_s=LONG_S)
    try:
        yield bus
    finally:
        await bus.close()


async def api(bus: NatsBus, verb: str, **body: Any) -> dict[str, Any]:
    answer = await bus.request(f"$JS.API.{verb}", msgspec.json.encode(body) if body else b"", timeout_s=10.0)
    said: dict[str, Any] = msgspec.json.decode(answer.data)
    return said


async def written(bus: NatsBus) -> dict[str, int]:
    """The keys in the bucket, and how many values were ever written."""
    state = (await api(bus, f"STREAM.INFO.{STREAM}", subjects_filter=">"))["state"]
    return {**state.get("subjects", {}), "": state["last_seq"]}


@pytest.mark.timeout(240)
async def test_what_can_become_of_a_bucket(make_server: MakeServer, plain: Callable[[str], Plain]) -> None:
    server = make_server(jetstream=True).start()
    mesh = plain(server.url)
    mesh.sidecar("i1")
    mesh.sidecar("i2")
    program = mesh.coordinator()
    async with joined(server.url) as bus:
        await until(bus, lambda one: one.live == 2 and kept(one), "both written down")
        before = await written(bus)
        deadline = time.monotonic() + 20
        while len(before) < 3:  # what is told of it is as old as its last round
            assert time.monotonic() < deadline, before
            await asyncio.sleep(0.1)
            before = await written(bus)

        # Nothing changes, nothing is written.
        await asyncio.sleep(4)
        assert await written(bus) == before
        assert set(before) == {"", "$KV.diag_registry.member.orders.i1", "$KV.diag_registry.member.orders.i2"}

        # Somebody else's values: told, never more than that.
        await bus.publish("$KV.diag_registry.member.orders.i9", b"\x00not ours")
        await bus.publish("$KV.diag_registry.member.orders.i1", b'{"v":1,"state":"here"}')
        await bus.publish("$KV.diag_registry.what.ever", b'{"v":2}')
        seen = await until(bus, lambda one: one.registry and len(one.registry.notes) == 2, "two values that are none")
        assert seen.registry is not None
        assert "member.orders.i9 cannot be read" in seen.registry.notes[0]
        assert "what.ever is no key of ours" in seen.registry.notes[1]
        assert (seen.live, seen.registry.state) == (2, RegistryState.KEPT)  # that of i1 is written over by now
        assert "registry: member.orders.i1 cannot be read" in program.log_text()

        # Deleted under us: made again, with everybody in it.
        await api(bus, f"STREAM.DELETE.{STREAM}")
        await until(bus, lambda one: kept(one) and not (one.registry and one.registry.notes), "made again")
        assert set(await written(bus)) == set(before)

        # Deleted and made in memory by somebody else, then the server is restarted: gone, and made again on disk.
        await api(bus, f"STREAM.DELETE.{STREAM}")
        await api(bus, f"STREAM.CREATE.{STREAM}", name=STREAM, subjects=["$KV.diag_registry.>"], storage="memory")
        await until(bus, kept, "kept in memory")
        await asyncio.to_thread(server.restart)
        await until(bus, lambda one: one.live == 2 and kept(one), "kept after the restart")
        info: dict[str, Any] = {}
        async with asyncio.timeout(LONG_S):
            # What is told of it is as old as its last round, which may have been before the restart.
            while not set(before) <= {"", *info.get("state", {}).get("subjects", {})}:
                await asyncio.sleep(0.1)
                info = await api(bus, f"STREAM.INFO.{STREAM}", subjects_filter=">")
        assert info["config"]["storage"] == "file"
        assert program.running
        assert "Traceback" not in program.log_text()


@pytest.mark.timeout(240)
async def test_a_full_bucket_is_told_and_written_when_there_is_room(
    make_server: MakeServer, plain: Callable[[str], Plain]
) -> None:
    server = make_server(jetstream=True).start()
    mesh = plain(server.url)
    config = {"name": STREAM, "subjects": ["$KV.diag_registry.>"], "max_msgs_per_subject": 1, "discard": "new"}
    async with joined(server.url) as bus:
        await api(bus, f"STREAM.CREATE.{STREAM}", **config, max_bytes=700)
        for instance in ("i1", "i2", "i3"):
            mesh.sidecar(instance)
        program = mesh.coordinator()
        seen = await until(bus, lambda one: one.live == 3 and degraded("the bucket is full")(one), "full")
        assert seen.registry is not None
        assert seen.registry.pending >= 1
        assert seen.ended is Ended.COMPLETE
        assert len(await written(bus)) < 4
        assert program.log_text().count("the registry is degraded") == 1
        more = (await api(bus, f"STREAM.INFO.{STREAM}"))["config"]
        await api(bus, f"STREAM.UPDATE.{STREAM}", **{**more, "max_bytes": 1 << 20})
        await until(bus, kept, "room again")
        assert len(await written(bus)) == 4
        assert program.log_text().count("the registry is degraded") == 1


@pytest.mark.timeout(240)
async def test_without_jetstream_all_goes_on_until_it_is_there(
    make_server: MakeServer, plain: Callable[[str], Plain]
) -> None:
    server = make_server().start()
    mesh = plain(server.url)
    mesh.sidecar("i1")
    program = mesh.coordinator()
    async with joined(server.url) as bus:
        seen = await until(bus, lambda one: one.live == 1 and one.ended is Ended.COMPLETE, "live")
        assert seen.registry is not None
        assert (seen.registry.state, seen.registry.reason) == (RegistryState.OFF, "JetStream is not enabled here")
        assert seen.registry.pending == 0
        await asyncio.sleep(3)
        assert program.log_text().count("the registry is off") == 1
        store = server.directory / "store"
        server.configure(f'jetstream {{ store_dir: "{store}" }}')
        await asyncio.to_thread(server.restart)
        await until(bus, lambda one: one.live == 1 and kept(one), "kept once there is JetStream")
        assert "$KV.diag_registry.member.orders.i1" in await written(bus)


class Three:
    """A cluster of three servers with JetStream."""

    def __init__(self, make_server: MakeServer) -> None:
        ports = [free_port() for _ in range(3)]
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
        self.servers: list[NatsServer] = []
        for number, port in enumerate(ports):
            cluster = f'cluster {{ name: three, listen: "127.0.0.1:{port}", routes: [{routes}] }}'
            self.servers.append(make_server(jetstream=True, name=f"n{number}", config=cluster))
        for one in self.servers:
            one.start()

    @property
    def url(self) -> str:
        return ",".join(one.url for one in self.servers)


@pytest.mark.timeout(300)
async def test_without_a_quorum_all_goes_on_and_what_changed_is_written_afterwards(
    make_server: MakeServer, plain: Callable[[str], Plain]
) -> None:
    three = await asyncio.to_thread(Three, make_server)
    mesh = plain(three.url)
    mesh.sidecar("i1")
    gone = mesh.sidecar("i2")
    program = mesh.coordinator('registry = { keep = "required" }')
    async with joined(three.url) as bus:
        await until(bus, lambda one: one.live == 2 and kept(one), "kept by three servers")
        stream = await api(bus, f"STREAM.INFO.{STREAM}")
        assert stream["config"]["num_replicas"] == 3

        for one in three.servers[1:]:
            await asyncio.to_thread(one.kill)
        killed_at = datetime.now(UTC)

        def all_at_the_last_one(services: Services) -> bool:
            """They are connected there and the coordinator hears them: else a goodbye could not be heard by anybody."""
            every = [one for service in services.services for one in service.instances]
            # A beat that was sent before the servers were killed may be read a moment after.
            return len(every) == 2 and all(
                one.server == "n0" and one.last_seen is not None and one.last_seen > killed_at + timedelta(seconds=1)
                for one in every
            )

        await until(bus, all_at_the_last_one, "all at the server that is left")
        # While nothing changes, all that must survive is written; whether more could be is seen by what changes.
        gone.stop()
        mesh.sidecar("i3", 'zone = "b"')
        seen = await until(
            bus,
            lambda one: set(states(one)) == {"orders/i1", "orders/i3"} and one.live == 2 and degraded("")(one),
            "who is there now, unwritten",
        )
        assert (seen.ended, seen.missing) == (Ended.COMPLETE, 0)

        for one in three.servers[1:]:
            await asyncio.to_thread(one.start)
        await until(bus, kept, "a quorum again")
        program.kill()
        mesh.coordinator(name="c2")
        # A server that has just come back may still tell what was written before; what came after it follows.
        wanted = {"orders/i1": InstanceState.LIVE, "orders/i3": InstanceState.LIVE}
        await until(bus, lambda one: states(one) == wanted, "known to the next one", "c2")
        assert "Traceback" not in program.log_text()

        # As if it had been made while there was one server only: whoever opens it next wants more copies.
        alone = (await api(bus, f"STREAM.INFO.{STREAM}"))["config"] | {"num_replicas": 1}
        assert (await api(bus, f"STREAM.UPDATE.{STREAM}", **alone))["config"]["num_replicas"] == 1
        await Bucket(bus, "diag_registry").open()
        assert (await api(bus, f"STREAM.INFO.{STREAM}"))["config"]["num_replicas"] == 3
