"""NATS-017: a frozen client that the server gave up."""

from diagmesh.settings import ConnectionSettings
from support.linked import APP, linked, login, service
from support.natsserver import MakeServer
from support.procs import freeze, thaw
from support.ruling import found


async def test_a_client_that_does_not_answer_pings_is_named(make_server: MakeServer) -> None:
    # Not one ping alone: on a busy machine, who lives is late now and then as well.
    with make_server(config=APP + 'ping_interval: "1s"\nping_max: 5') as server, service(server) as child:
        given = ConnectionSettings(url=login(server.url, "app"))
        async with linked(pid=child.pid, observer=login(server.url, "eye"), connection=given) as it:
            await it.until()
            freeze(child.pid)
            try:
                diagnosis = await it.until("NATS-017")
            finally:
                thaw(child.pid)
    assert "did not answer the pings of the server (orders" in found(diagnosis, "NATS-017").title
