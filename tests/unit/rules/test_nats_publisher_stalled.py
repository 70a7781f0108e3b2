"""NATS-012: a connection for which the server holds publishers up is named, with its busiest subject."""

from diagmesh.settings import ConnectionSettings
from support.linked import APP, linked, login, service, tell
from support.natsserver import MakeServer
from support.ruling import codes, found


async def test_the_one_for_whom_publishers_wait_is_named(make_server: MakeServer) -> None:
    with make_server(config=APP + "max_pending: 64MB") as server:
        given = ConnectionSettings(url=login(server.url, "app"))
        with service(server, "orders", reads=False, subscribe=["flood"]) as slow, service(server, "load") as load:
            async with linked(pid=slow.pid, observer=login(server.url, "eye"), connection=given) as it:
                assert codes(await it.judged()) == []
                tell(load, "publish flood 30000 1000000", done=False)
                diagnosis = await it.until("NATS-012")
    finding = found(diagnosis, "NATS-012")
    assert finding.title.endswith("times a second for orders; its busiest subject is flood")
