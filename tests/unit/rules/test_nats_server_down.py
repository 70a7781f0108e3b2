"""NATS-001: nothing listens at a server of the service; another one that is open makes it a warning."""

from diagmesh.contract.answers.connection import Connection, Door, DoorVerdict
from diagmesh.contract.findings import Severity
from diagmesh.settings import ConnectionSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.nats_server_down import nats_server_down
from support.linked import APP, linked, login
from support.natsserver import MakeServer
from support.ruling import codes, found


async def test_a_server_that_was_killed_is_named_and_clear_once_it_is_back(make_server: MakeServer) -> None:
    with make_server() as server:
        async with linked(connection=ConnectionSettings(url=server.url)) as it:
            assert codes(await it.judged()) == []
            server.kill()
            diagnosis = await it.judged()
            assert codes(diagnosis) == ["NATS-001"]
            finding = found(diagnosis, "NATS-001")
            assert finding.severity is Severity.ERROR
            assert finding.title.startswith(f"{server.url}: server down or wrong port: connection refused")
            assert f"`nats server check connection --server {server.url}`" in finding.advice.now[1]
            server.start()
            assert codes(await it.judged()) == []


async def test_with_another_server_it_is_a_warning(make_server: MakeServer) -> None:
    away, there = make_server(), make_server()
    with there:
        async with linked(connection=ConnectionSettings(url=f"{away.url},{there.url}")) as it:
            finding = found(await it.judged(), "NATS-001")
    assert finding.severity is Severity.WARNING
    assert "1 of 2 servers can be used" in finding.title


async def test_at_several_instances_the_server_is_named_and_what_each_saw_is_told(make_server: MakeServer) -> None:
    server = make_server()
    async with linked(connection=ConnectionSettings(url=server.url)) as it:
        answer = await it.answer()
    (finding,) = judged(nats_server_down, answered(answer), answered(answer, at="payments/i1")).findings
    assert finding.title == f"NATS server is down: {server.url} (2 instances)"
    assert {fact.at for fact in finding.evidence} == {"orders/i1", "payments/i1"}, "localhost is another at each"


async def test_no_secret_of_the_url_is_told(make_server: MakeServer) -> None:
    server = make_server(config=APP)
    async with linked(connection=ConnectionSettings(url=login(server.url, "hidden"))) as it:
        assert "hidden" not in str(await it.answer())


def test_a_host_that_cannot_be_reached_is_not_called_a_server_that_is_down() -> None:
    away = Door(url="nats://n1:4222", verdict=DoorVerdict.UNREACHABLE, reason="no route to host (10.0.0.9:4222)")
    (finding,) = judged(nats_server_down, answered(Connection(doors=(away,)))).findings
    assert finding.title == "nats://n1:4222: its host cannot be reached: no route to host (10.0.0.9:4222)"
