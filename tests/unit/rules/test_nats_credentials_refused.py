"""NATS-007: a user that the server does not know, told apart from one whose JWT has expired."""

from diagmesh.settings import ConnectionSettings
from support.linked import APP, linked, login
from support.natsserver import MakeServer
from support.ruling import codes, found


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
