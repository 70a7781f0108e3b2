"""NATS-015: connections that come and go without a reason."""

from diagmesh.settings import ConnectionSettings
from support.linked import APP, linked, login, service
from support.natsserver import MakeServer
from support.ruling import codes, found


async def test_many_connections_of_one_name_are_a_storm_and_few_are_not(make_server: MakeServer) -> None:
    with make_server(config=APP) as server:
        given = ConnectionSettings(url=login(server.url, "app"))
        with service(server, "calm", reconnects=5) as child:
            async with linked(pid=child.pid, observer=login(server.url, "eye"), connection=given) as it:
                answer = await it.answer()
                assert (answer.reconnects, answer.ended_lately) == (5, 5)
                assert codes(await it.judged()) == []
        with service(server, "orders", reconnects=30) as child:
            async with linked(pid=child.pid, observer=login(server.url, "eye"), connection=given) as it:
                diagnosis = await it.until("NATS-015")
    assert found(diagnosis, "NATS-015").title == "30 connections of orders ended in the last five minutes"
