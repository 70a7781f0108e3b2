"""NATS-010: a connection that the server cut off is named, with its service and its busiest subject."""

from diagmesh.settings import ConnectionSettings
from support.linked import APP, linked, login, service, tell
from support.natsserver import MakeServer
from support.ruling import codes, found


async def test_the_subject_and_the_service_of_a_slow_consumer_are_named(make_server: MakeServer) -> None:
    with make_server(config=APP + 'max_pending: 1MB\nwrite_deadline: "2s"') as server:
        given = ConnectionSettings(url=login(server.url, "app"))
        slow = service(server, "orders", reads=False, subscribe=["quiet", "flood"])
        with slow, service(server, "load") as load:
            async with linked(pid=slow.pid, observer=login(server.url, "eye"), connection=given) as it:
                assert codes(await it.judged()) == []
                tell(load, "publish flood 60000 400")
                diagnosis = await it.until("NATS-010")
    finding = found(diagnosis, "NATS-010")
    assert finding.title.startswith("the server cut the connection off as a slow consumer (orders, ")
    subjects = [fact.value for fact in finding.evidence if fact.what == "it was subscribed to"]
    assert subjects[0] == "flood"
