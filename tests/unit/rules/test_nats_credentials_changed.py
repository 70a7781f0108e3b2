"""NATS-018: credentials that were good a moment ago are refused after a reload."""

from diagmesh.settings import ConnectionSettings
from support.linked import APP, linked, login, service
from support.natsserver import MakeServer
from support.ruling import found

CONFIG = "server_name: test\n" + APP
"""A reload compares the file with the running server, whose name is given on its command line."""


async def test_a_rotation_is_told_apart_from_credentials_that_were_never_good(make_server: MakeServer) -> None:
    with make_server(config=CONFIG) as server, service(server) as child:
        given = ConnectionSettings(url=login(server.url, "app"))
        async with linked(pid=child.pid, observer=login(server.url, "eye"), connection=given) as it:
            await it.until()
            server.configure(CONFIG.replace("password: app", "password: changed"))
            server.reload()
            diagnosis = await it.until("NATS-018")
    assert "was connected a moment ago, and is refused now" in found(diagnosis, "NATS-018").title
