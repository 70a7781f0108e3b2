"""NATS-013: a message above the limit, for which the server ended the connection."""

from diagmesh.settings import ConnectionSettings
from support.linked import APP, linked, login, service, tell
from support.natsserver import MakeServer
from support.ruling import codes, found


async def test_the_connection_that_sent_too_much_is_named(make_server: MakeServer) -> None:
    with make_server(config=APP + "max_payload: 1024") as server:
        url = login(server.url, "app")
        with service(server) as child:
            async with linked(
                pid=child.pid, observer=login(server.url, "eye"), connection=ConnectionSettings(url=url)
            ) as it:
                assert codes(await it.judged()) == []
                tell(child, "publish big 2000 1")
                diagnosis = await it.until("NATS-013")
    assert "above max_payload (orders" in found(diagnosis, "NATS-013").title
