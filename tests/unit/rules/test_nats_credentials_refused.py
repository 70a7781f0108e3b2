"""NATS-007: a user that the server does not know, told apart from one whose JWT has expired."""

import asyncio

from diagmesh.settings import ConnectionSettings
from support.linked import APP, linked, login
from support.natsserver import MakeServer
from support.ruling import codes, found, verdict


async def test_an_unknown_user_is_refused_and_a_known_one_clear(make_server: MakeServer) -> None:
    with make_server(config=APP) as server:
        async with linked(connection=ConnectionSettings(url=login(server.url, "nobody"))) as it:
            diagnosis = await it.judged()
            assert codes(diagnosis) == ["NATS-007"]
            assert "Authorization Violation" in found(diagnosis, "NATS-007").title
            assert "nobody" not in str(diagnosis.findings)
        async with linked(connection=ConnectionSettings(url=login(server.url, "app"))) as it:
            assert codes(await it.judged()) == []


async def test_without_credentials_nobody_logs_in_and_nothing_is_said(make_server: MakeServer) -> None:
    with make_server(config=APP) as server:
        async with linked(connection=ConnectionSettings(url=server.url)) as it:
            assert codes(await it.judged()) == []
        assert "authentication error" not in server.log_text()


async def test_whose_credentials_come_too_late_is_not_told_that_they_are_wrong() -> None:
    """On an overloaded host nobody has judged them yet; a server by hand, for no real one waits so briefly."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_name":"n1","version":"2.15.1","auth_required":true,"client_ip":"127.0.0.1"}\r\n')
        await reader.readline()
        writer.write(b"-ERR 'Authentication Timeout'\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with linked(connection=ConnectionSettings(url=f"nats://app:app@127.0.0.1:{port}")) as it:
            diagnosis = await it.judged()
    assert codes(diagnosis) == []
    assert "our login came too late" in str(verdict(diagnosis, "NATS-007"))
