"""The registry of a whole coordinator on a store in memory: read, written, in trouble, and back."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Literal

import msgspec
import pytest

from diagmesh.bus.core import Entry
from diagmesh.bus.memory import MemoryServer
from diagmesh.bus.memory_store import MemoryStore
from diagmesh.contract.codec import encode
from diagmesh.contract.directory import Registry as Told
from diagmesh.contract.directory import RegistryState
from diagmesh.contract.presence import Heartbeat
from diagmesh.errors import StoreUnavailable
from diagmesh.expected import Key
from diagmesh.settings import CoordinatorSettings, RegistrySettings
from diagmesh_coordinator.directory import Directory
from diagmesh_coordinator.registry import book, keeper
from diagmesh_coordinator.registry.records import MemberRecord

KEY = "member.orders.i1"
GENEROUS_S = 20.0


class House:
    """A directory on a bus in memory, with a store."""

    def __init__(self, store: MemoryStore | None, server: MemoryServer | None = None, **settings: object) -> None:
        self.server = server or MemoryServer()
        self.bus = self.server.bus()
        self.store = store
        given = msgspec.convert({"heartbeat_s": 30.0, **settings}, CoordinatorSettings)
        self.directory = Directory(self.server.bus(), given, store=store, us="c1")

    async def beat(self, instance: str = "i1", **more: object) -> None:
        said = msgspec.convert({"v": 1, "boot": "b1", "interval_s": 30.0, **more}, Heartbeat)
        await self.bus.publish(f"diagev.hb.orders.{instance}", encode(said))
        await asyncio.sleep(0)

    def told(self) -> Told:
        return self.directory.registry.told()

    def kept(self) -> bool:
        """Counted anew: what is told is what the last round found."""
        kept = self.told().state is RegistryState.KEPT
        return kept and not [one for one in self.directory.registry._listed() if one is not None]


async def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + GENEROUS_S
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "_PACE_S": 0.02,
        "_LEAST_S": 0.01,
        "_BACKOFF_FIRST_S": 0.02,
        "_BACKOFF_MOST_S": 0.1,
        "_LOOK_AGAIN_S": 0.1,
    }.items():
        monkeypatch.setattr(keeper, name, value)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House(MemoryStore())
    await house.directory.start()
    yield house
    await house.directory.stop()


def state(store: MemoryStore | None, key: str = KEY) -> str:
    assert store is not None
    value = {one.key: one.value for one in store._entries.values()}.get(key)
    return msgspec.json.decode(value, type=MemberRecord).state if value else ""


async def test_it_writes_what_it_hears_and_then_rests(house: House) -> None:
    assert house.store is not None
    await house.beat()
    await until(lambda: state(house.store) == "here" and house.kept())
    assert house.store.ttls[KEY] > 900
    for n in range(2, 20):
        await house.beat(n=n)
        await asyncio.sleep(0.02)
    assert house.store.writes == 1


async def test_goodbye_and_forget_are_written(house: House) -> None:
    for instance in ("i1", "i2"):
        await house.beat(instance)
    await until(house.kept)
    await house.beat(bye=True)
    await until(lambda: state(house.store) == "left")
    house.directory.roster.excuse(-1000.0)  # lost since long
    gone, _ = await house.directory.forget("orders", "i2", "UOPERATOR")
    assert gone == (Key("orders", "i2"),)
    await until(lambda: state(house.store, "member.orders.i2") == "forgotten")
    await house.beat("i2", n=5)
    await until(lambda: state(house.store, "member.orders.i2") == "here")


async def test_a_goodbye_outlives_a_replica_that_lags() -> None:
    """Any replica answers reads: one that has just started may not have what the others hold."""

    class Lagging(MemoryStore):
        lags = False

        async def read(self, after: int = 0) -> list[Entry]:
            return [] if self.lags else await super().read(after)

    house = House(Lagging())
    await house.directory.start()
    try:
        await house.beat()
        await until(house.kept)
        Lagging.lags = True
        house.server.cut()
        house.server.heal()
        await house.beat(bye=True)
        assert len(house.directory.roster) == 0
        await asyncio.sleep(0.2)
        assert house.told().pending == 1
        Lagging.lags = False
        await until(house.kept)
        assert state(house.store) == "left"
    finally:
        await house.directory.stop()


async def test_trouble_costs_nothing_but_memory_and_is_made_up_for(house: House) -> None:
    assert house.store is not None
    await house.beat()
    await until(house.kept)
    house.store.trouble = StoreUnavailable("no quorum")
    await house.beat("i2")
    await house.beat(bye=True)
    await until(lambda: house.told().state is RegistryState.DEGRADED)
    await until(lambda: (house.told().reason, house.told().pending) == ("no quorum", 2))
    assert house.told().since is not None
    house.store.trouble = None
    await until(house.kept)
    assert (state(house.store), state(house.store, "member.orders.i2")) == ("left", "here")
    await until(lambda: house.told().pending == 0)


async def test_to_tell_how_it_stands_looks_at_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer of ``diag.mesh.services`` tells it, in a mesh of any size."""
    await house.beat()
    await until(house.kept)
    with monkeypatch.context() as counting:
        counting.setattr(type(house.directory.registry), "_listed", lambda _: pytest.fail("it counted"))
        assert house.told().state is RegistryState.KEPT


async def test_a_bucket_made_anew_is_filled_again(house: House) -> None:
    assert house.store is not None
    await house.beat()
    await until(house.kept)
    house.store.replace()
    await until(lambda: state(house.store) == "here")


async def test_a_value_that_expired_is_written_again(house: House) -> None:
    assert house.store is not None
    await house.beat()
    await until(house.kept)
    house.store.expire(KEY)
    await house.beat(n=2, labels={"zone": "b"})
    await until(lambda: state(house.store) == "here" and house.kept())


async def test_two_on_one_store_agree(house: House) -> None:
    second = House(house.store, house.server)
    await second.directory.start()
    try:
        for instance in ("i1", "i2", "i3"):
            await house.beat(instance)
        await until(lambda: house.kept() and second.kept())
        assert house.store is not None
        writes = house.store.writes
        house.directory.roster.excuse(-1000.0)
        second.directory.roster.excuse(-1000.0)
        await house.directory.forget("orders", "i2", "UOPERATOR")
        await until(lambda: second.directory.roster.get(Key("orders", "i2")) is None)
        await until(lambda: house.kept() and second.kept())
        assert writes <= 6
        assert house.store.writes == writes + 1
    finally:
        await second.directory.stop()


async def test_what_is_read_is_waited_for_by_whoever_asks_first() -> None:
    store = MemoryStore()
    first = House(store)
    await first.directory.start()
    await first.beat(labels={"zone": "a"})
    await until(first.kept)
    await first.directory.stop()
    second = House(store)
    await second.directory.start()
    assert len(second.directory.roster) == 0
    await second.directory.hoped(GENEROUS_S)
    known = second.directory.roster.get(Key("orders", "i1"))
    assert known is not None
    assert known.labels == {"zone": "a"}
    await second.directory.stop()


async def test_no_store_is_off() -> None:
    nowhere = House(None)
    await nowhere.directory.start()
    assert nowhere.told().state is RegistryState.OFF
    assert not await nowhere.directory.registry.recalled()
    await nowhere.directory.stop()


@pytest.mark.parametrize(("keep", "wanted"), [("auto", RegistryState.OFF), ("required", RegistryState.DEGRADED)])
async def test_a_store_that_was_never_there_is_missed_only_where_it_is_required(
    keep: Literal["auto", "required"], wanted: RegistryState
) -> None:
    store = MemoryStore()
    store.trouble = StoreUnavailable("no JetStream", absent=True)
    house = House(store, registry=RegistrySettings(keep=keep))
    await house.directory.start()
    await house.beat()
    assert not await house.directory.registry.recalled()
    await until(lambda: (house.told().state, house.told().reason) == (wanted, "no JetStream"))
    assert house.told().required is (keep == "required")
    store.trouble = None
    await until(house.kept)
    assert state(store) == "here"
    store.trouble = StoreUnavailable("no JetStream", absent=True)
    await until(lambda: house.told().state is RegistryState.DEGRADED)
    await house.directory.stop()


async def test_switched_off_nothing_is_written() -> None:
    store = MemoryStore()
    house = House(store, registry=RegistrySettings(keep="off"))
    await house.directory.start()
    await house.beat()
    await asyncio.sleep(0.1)
    assert (store.writes, house.told().state, house.told().pending) == (0, RegistryState.OFF, 0)
    await house.directory.stop()


async def test_what_changed_last_is_written_before_it_goes() -> None:
    store = MemoryStore()
    house = House(store)
    await house.directory.start()
    await until(house.kept)
    house.directory.registry._hurry.clear()
    await house.beat()
    await house.directory.stop()
    assert state(store) == "here"


async def test_while_the_connection_is_away_nothing_is_tried(house: House) -> None:
    assert house.store is not None
    await until(house.kept)
    house.server.cut()
    house.store.replace()
    await asyncio.sleep(0.3)
    assert house.store.writes == 0
    house.server.heal()
    await house.beat()
    await until(lambda: state(house.store) == "here")


async def test_who_could_not_read_the_registry_at_its_start_may_not_know_everybody_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it tells as complete what lacks those who were lost before; clients ask another one meanwhile."""
    store = MemoryStore()
    store.trouble = StoreUnavailable("JetStream did not answer")
    house = House(store, heartbeat_s=0.1)
    await house.directory.start()
    await house.beat(interval_s=0.1)
    await until(lambda: not house.directory._fresh)
    await until(lambda: house.told().state is RegistryState.DEGRADED)
    assert house.directory.warming
    store.trouble = None
    await until(house.kept)
    assert not house.directory.warming
    store.trouble = StoreUnavailable("no quorum")
    await until(lambda: house.told().state is RegistryState.DEGRADED)
    assert not house.directory.warming, "what was read once is known"
    await house.directory.stop()

    monkeypatch.setattr(keeper, "_AWAITED_S", 0.5)
    other = House(store, heartbeat_s=0.1)
    await other.directory.start()
    await until(lambda: other.told().state is RegistryState.DEGRADED)
    await until(lambda: not other.directory.warming)
    await other.directory.stop()


async def test_where_there_is_no_registry_nobody_waits_for_one() -> None:
    store = MemoryStore()
    store.trouble = StoreUnavailable("there is no JetStream", absent=True)
    house = House(store, heartbeat_s=0.1)
    await house.directory.start()
    await until(lambda: house.told().state is RegistryState.OFF and house.told().since is not None)
    await until(lambda: not house.directory.warming)
    store.trouble = StoreUnavailable("nobody answers, for the connection has just come back")
    await until(lambda: house.told().state is RegistryState.DEGRADED)
    assert not house.directory.warming
    await house.directory.stop()


async def test_a_bucket_made_anew_while_we_were_away_is_filled_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert house.store is not None
    await house.beat()
    await until(house.kept)
    monkeypatch.setattr(keeper, "_LOOK_AGAIN_S", 3600.0)
    house.server.cut()
    house.store.replace()
    house.server.heal()
    await until(lambda: house.store is not None and [one.key for one in house.store._entries.values()] == [KEY])


async def test_a_store_in_trouble_is_left_alone_for_longer_and_longer(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert house.store is not None
    bounds: list[float] = []

    def bound(_: float, most: float) -> float:
        bounds.append(most)
        return 0.0

    monkeypatch.setattr("diagmesh_coordinator.registry.keeper.random.uniform", bound)
    house.store.trouble = StoreUnavailable("no quorum")
    await until(lambda: bounds.count(0.1) > 2)
    grew = [most for most in bounds if most < 1]
    assert grew == sorted(grew), "the others are the pace between two rounds"
    assert {0.04, 0.08} <= set(grew)


async def test_more_than_it_holds_is_degraded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "_MOST", 1)
    await house.beat()
    await house.beat("i2")
    await until(lambda: house.told().state is RegistryState.DEGRADED)
    assert house.told().reason == "1 instances are more than it holds"
