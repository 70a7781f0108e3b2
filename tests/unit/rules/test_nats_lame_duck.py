"""NATS-016: a server that takes nobody in while it keeps whom it has."""

from diagmesh.contract.findings import Severity
from diagmesh.settings import ConnectionSettings
from support.linked import APP, linked, login, service
from support.natsserver import MakeServer
from support.ruling import codes, found


async def test_a_server_in_lame_duck_mode_is_not_called_down(make_server: MakeServer) -> None:
    lame = 'lame_duck_duration: "60s"\nlame_duck_grace_period: "50s"'
    with make_server(config=APP + lame) as server, service(server) as child:
        async with linked(pid=child.pid, connection=ConnectionSettings(url=login(server.url, "app"))) as it:
            assert codes(await it.judged()) == []
            server.lame_duck()
            diagnosis = await it.until("NATS-016")
    finding = found(diagnosis, "NATS-016")
    assert finding.severity is Severity.ERROR
    assert finding.title == f"{server.url} is about to stop (lame duck); no other server is in the list"
