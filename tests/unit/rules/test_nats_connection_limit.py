"""NATS-009: the server takes no more connections."""

import asyncio

from diagmesh.settings import ConnectionSettings
from support.linked import APP, linked, login, service
from support.natsserver import MakeServer
from support.ruling import codes, found
from support.serving import door_to, look


async def test_a_full_server_is_named(make_server: MakeServer) -> None:
    with make_server(config=APP + "max_connections: 2", monitoring=True) as server:
        async with linked(connection=ConnectionSettings(url=login(server.url, "app"))) as it:
            assert codes(await it.judged()) == []
            async with asyncio.timeout(20):
                while (await look(door_to(server))).load.connections:  # our own knock goes away
                    await asyncio.sleep(0.05)
            with service(server), service(server, "other"):
                diagnosis = await it.judged()
            assert codes(diagnosis) == ["NATS-009"]
            assert "maximum connections exceeded" in found(diagnosis, "NATS-009").title
            await it.until()


async def test_a_full_account_is_named(make_server: MakeServer) -> None:
    limited = APP.replace("APP: {", "APP: { limits: { max_connections: 1 },")
    with make_server(config=limited) as server, service(server):
        async with linked(connection=ConnectionSettings(url=login(server.url, "app"))) as it:
            diagnosis = await it.judged()
    assert codes(diagnosis) == ["NATS-009"]
    assert "maximum account active connections exceeded" in found(diagnosis, "NATS-009").title
