"""NATS-003: a frozen server takes connections and says nothing; it is clear once it goes on."""

from diagmesh.settings import ConnectionSettings
from support.doors import scripted
from support.linked import linked
from support.natsserver import MakeServer
from support.ruling import codes, found


async def test_a_frozen_server_is_told_apart_from_one_that_is_down(make_server: MakeServer) -> None:
    with make_server() as server:
        async with linked(connection=ConnectionSettings(url=server.url)) as it:
            server.freeze()
            diagnosis = await it.judged()
            assert codes(diagnosis) == ["NATS-003"]
            assert "has said nothing within" in found(diagnosis, "NATS-003").title
            server.thaw()
            await it.until()


async def test_a_proxy_without_a_server_behind_it_is_told() -> None:
    with scripted(lambda _: None) as door:
        async with linked(connection=ConnectionSettings(url=f"nats://{door.address}")) as it:
            diagnosis = await it.judged()
    assert codes(diagnosis) == ["NATS-003"]
    assert "closed it without a word" in found(diagnosis, "NATS-003").title
