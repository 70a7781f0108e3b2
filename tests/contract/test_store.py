"""What every store does, in memory as on JetStream."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from diagmesh.bus.core import Store
from diagmesh.bus.memory_store import MemoryStore
from diagmesh.bus.nats import NatsBus
from diagmesh.bus.nats.bucket import Bucket
from diagmesh.errors import StoreConflict, StoreUnavailable
from diagmesh.settings import NatsSettings
from support.natsserver import MakeServer, NatsServer

Api = Callable[..., Awaitable[dict[str, Any]]]
TTL_S = 600


@pytest.fixture(params=["memory", "JetStream"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    server: NatsServer = request.getfixturevalue("make_server")(jetstream=True).start()
    bus = await NatsBus.connect(NatsSettings(url=server.url), "test")
    yield Bucket(bus, "test")
    await bus.close()


async def test_values_are_read_in_the_order_in_which_they_were_written_last(store: Store) -> None:
    await store.open()
    assert await store.read() == []
    first = await store.put("a.b", b"1", last=0, ttl_s=TTL_S)
    second = await store.put("a.c", b"2", last=0, ttl_s=TTL_S)
    third = await store.put("a.b", b"3", last=first, ttl_s=TTL_S)
    assert first < second < third
    assert [(one.key, one.value, one.revision) for one in await store.read()] == [
        ("a.c", b"2", second),
        ("a.b", b"3", third),
    ]
    assert [one.key for one in await store.read(second)] == ["a.b"]
    assert await store.read(third) == []


async def test_whoever_has_not_read_the_last_value_may_not_replace_it(store: Store) -> None:
    await store.open()
    first = await store.put("a", b"1", last=0, ttl_s=TTL_S)
    for last in (0, first + 1):
        with pytest.raises(StoreConflict):
            await store.put("a", b"2", last=last, ttl_s=TTL_S)
    assert [one.value for one in await store.read()] == [b"1"]


async def test_opened_twice_it_is_the_same(store: Store) -> None:
    made = await store.open()
    await store.put("a", b"1", last=0, ttl_s=TTL_S)
    assert await store.open() == made
    assert len(await store.read()) == 1


@pytest.fixture
async def server(make_server: MakeServer) -> NatsServer:
    return make_server(jetstream=True).start()


@pytest.fixture
async def bus(server: NatsServer) -> AsyncIterator[NatsBus]:
    bus = await NatsBus.connect(NatsSettings(url=server.url), "test")
    yield bus
    await bus.close()


@pytest.fixture
def api(bus: NatsBus) -> Api:
    async def ask(verb: str, **body: Any) -> dict[str, Any]:
        data = msgspec.json.encode(body) if body else b""
        answer = await bus.request(f"$JS.API.{verb}", data, timeout_s=5.0)
        said: dict[str, Any] = msgspec.json.decode(answer.data)
        assert "error" not in said, said
        return said

    return ask


async def test_the_bucket_is_a_bounded_one_that_every_client_knows(bus: NatsBus, api: Api) -> None:
    await Bucket(bus, "test").open()
    config = (await api("STREAM.INFO.KV_test"))["config"]
    assert (config["storage"], config["num_replicas"], config["max_msgs_per_subject"]) == ("file", 1, 1)
    assert (config["max_bytes"], config["max_msg_size"], config["discard"]) == (32 << 20, 16 << 10, "new")
    assert (config["subjects"], config["allow_direct"], config["allow_msg_ttl"]) == (["$KV.test.>"], True, True)


@pytest.mark.parametrize("alike", [True, False])
async def test_two_that_make_it_at_the_same_moment_have_the_same_one(
    server: NatsServer, bus: NatsBus, monkeypatch: pytest.MonkeyPatch, *, alike: bool
) -> None:
    """Both have heard that there is none; whoever is second may want it made in another way (another version of us)."""
    make, both = Bucket._create, asyncio.Barrier(2)

    async def at_once(self: Bucket) -> Any:
        async with asyncio.timeout(10):
            await both.wait()
        return await make(self)

    monkeypatch.setattr(Bucket, "_create", at_once)
    other = await NatsBus.connect(NatsSettings(url=server.url), "test")
    first, second = Bucket(bus, "test"), Bucket(other, "test")
    if not alike:
        wanted = second._wanted
        monkeypatch.setattr(second, "_wanted", lambda replicas: wanted(replicas) | {"max_bytes": 2 * 1024**2})
    try:
        opened = await asyncio.gather(first.open(), second.open())
        assert opened[0] == opened[1]
        revision = await first.put("a", b"1", last=0, ttl_s=TTL_S)
        with pytest.raises(StoreConflict):
            await second.put("a", b"2", last=0, ttl_s=TTL_S)
        await second.put("a", b"3", last=revision, ttl_s=TTL_S)
        assert [one.value for one in await first.read()] == [b"3"]
    finally:
        await other.close()


async def test_many_values_come_in_batches_and_none_twice(bus: NatsBus) -> None:
    bucket = Bucket(bus, "test")
    await bucket.open()
    for number in range(700):
        await bucket.put(f"k.{number}", b"%d" % number, last=0, ttl_s=TTL_S)
    entries = await bucket.read()
    assert [one.key for one in entries] == [f"k.{number}" for number in range(700)]
    assert [one.value for one in await bucket.read(entries[511].revision)] == [b"%d" % one for one in range(512, 700)]


async def test_what_is_not_written_again_goes_away_and_a_marker_is_no_value(bus: NatsBus, api: Api) -> None:
    bucket = Bucket(bus, "test")
    # As others make it who want to hear of the end: then the server leaves a marker for each.
    await api(
        "STREAM.CREATE.KV_test",
        name="KV_test",
        subjects=["$KV.test.>"],
        max_msgs_per_subject=1,
        allow_rollup_hdrs=True,
        allow_msg_ttl=True,
        allow_direct=True,
        subject_delete_marker_ttl=60 * 10**9,
    )
    await bucket.open()
    first = await bucket.put("short", b"1", last=0, ttl_s=1)
    await bucket.put("long", b"1", last=0, ttl_s=TTL_S)
    entries = []
    for _ in range(100):
        entries = await bucket.read(first)
        if len(entries) == 2:
            break
        await bus.barrier()
        await asyncio.sleep(0.1)
    assert [(one.key, one.value) for one in entries] == [("long", b"1"), ("short", b"")]
    assert await bucket.put("short", b"2", last=entries[1].revision, ttl_s=TTL_S) > first


async def test_a_bucket_of_others_is_mended_and_else_left_as_it_is(bus: NatsBus, api: Api) -> None:
    await api("STREAM.CREATE.KV_test", name="KV_test", subjects=["$KV.test.>"], max_msgs_per_subject=5, max_bytes=9999)
    bucket = Bucket(bus, "test")
    await bucket.open()
    config = (await api("STREAM.INFO.KV_test"))["config"]
    assert (config["allow_direct"], config["allow_msg_ttl"]) == (True, True)
    assert (config["max_msgs_per_subject"], config["max_bytes"]) == (5, 9999)
    first = await bucket.put("a", b"1", last=0, ttl_s=TTL_S)
    second = await bucket.put("a", b"2", last=first, ttl_s=TTL_S)
    assert [(one.value, one.revision) for one in await bucket.read()] == [(b"2", second)]


async def test_a_bucket_that_is_gone_is_said_and_made_again(bus: NatsBus, api: Api) -> None:
    bucket = Bucket(bus, "test")
    made = await bucket.open()
    await bucket.put("a", b"1", last=0, ttl_s=TTL_S)
    await api("STREAM.DELETE.KV_test")
    with pytest.raises(StoreUnavailable, match="the bucket is gone"):
        await bucket.read()
    with pytest.raises(StoreUnavailable, match="the bucket is gone"):
        await bucket.put("a", b"1", last=0, ttl_s=TTL_S)
    assert await bucket.open() != made
    assert await bucket.read() == []


async def test_a_value_that_is_too_large_is_refused_with_the_reason(bus: NatsBus) -> None:
    bucket = Bucket(bus, "test")
    await bucket.open()
    with pytest.raises(StoreUnavailable, match="message size exceeds maximum allowed"):
        await bucket.put("a", b"x" * 20_000, last=0, ttl_s=TTL_S)


NO_ACCOUNT = "accounts { A { users [{ user: a, password: a }] } }\nno_auth_user: a"


@pytest.mark.parametrize("options", [{}, {"jetstream": True, "config": NO_ACCOUNT}], ids=["server", "account"])
async def test_without_jetstream_that_is_told_at_once(make_server: MakeServer, options: dict[str, Any]) -> None:
    server = make_server(**options).start()
    bus = await NatsBus.connect(NatsSettings(url=server.url), "test")
    try:
        with pytest.raises(StoreUnavailable, match="JetStream is not enabled here") as caught:
            await Bucket(bus, "test").open()
        assert caught.value.absent
    finally:
        await bus.close()


async def test_a_server_that_has_too_little_storage_says_how_much_is_wanted(make_server: MakeServer) -> None:
    server = make_server(jetstream=True, config="jetstream { max_file_store: 8MB }").start()
    bus = await NatsBus.connect(NatsSettings(url=server.url), "test")
    try:
        with pytest.raises(StoreUnavailable, match="less storage left than the 32 MiB") as caught:
            await Bucket(bus, "test").open()
        assert not caught.value.absent
    finally:
        await bus.close()
