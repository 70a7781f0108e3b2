"""NATS-011: a client that does not read is seen before it is cut off, with its busiest subject."""

from diagmesh.settings import ConnectionSettings
from support.linked import APP, linked, login, service, tell
from support.natsserver import MakeServer
from support.ruling import codes, found


async def test_bytes_that_nobody_reads_are_seen_on_both_sides(make_server: MakeServer) -> None:
    # Longer than any look takes; after it the client is cut off.
    with make_server(config=APP + 'write_deadline: "60s"') as server:
        url = login(server.url, "app")
        with service(server, "orders", reads=False, subscribe=["flood"]) as slow, service(server, "load") as load:
            async with linked(
                pid=slow.pid, observer=login(server.url, "eye"), connection=ConnectionSettings(url=url)
            ) as it:
                assert codes(await it.judged()) == []
                tell(load, "publish flood 60000 250")
                diagnosis = await it.until("NATS-011")
    finding = found(diagnosis, "NATS-011")
    assert "(orders); its busiest subject is flood" in finding.title
    assert {fact.what for fact in finding.evidence} >= {"unread in the kernel", "held by the server"}
