"""NATS-025: a service whose client has closed itself for good, which is told when the reason is no news any more."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.connection import Connection, Door, DoorVerdict, Ended
from diagmesh.contract.verdicts import Verdict
from diagmesh.contract.wire import Blind
from diagmesh.settings import ConnectionSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.nats_not_connected import nats_not_connected
from support.linked import APP, linked, login, service, tell
from support.natsserver import MakeServer
from support.replies import NOW
from support.ruling import codes, found

DOOR = Door(url="nats://n1:4222", verdict=DoorVerdict.OPEN)
LAST = Ended(reason="Client Closed", count=1, last_at=NOW - timedelta(minutes=9), server="n1", cid=7, lived_s=60.0)
GONE = Connection(verdict=DoorVerdict.OPEN, doors=(DOOR,), links=(), ended=(LAST,), ended_lately=0)


async def test_a_service_that_gave_up_is_named_with_why_its_connection_ended(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diagmesh_agents._joining.LATELY_S", 0.5)
    with make_server(config=APP) as server, service(server) as child:
        given = ConnectionSettings(url=login(server.url, "app"))
        async with linked(pid=child.pid, observer=login(server.url, "eye"), connection=given) as it:
            assert codes(await it.judged()) == []
            tell(child, "close")
            diagnosis = await it.until("NATS-025")
    finding = found(diagnosis, "NATS-025")
    assert finding.title.startswith("no connection to NATS since 20")
    assert finding.title.endswith(f"(Client Closed), although {server.url} can be used")


def test_only_who_was_connected_and_has_a_server_to_go_to_is_found() -> None:
    assert [one.code for one in judged(nats_not_connected, answered(GONE)).findings] == ["NATS-025"]
    for other in (
        replace(GONE, ended=(replace(LAST, lately=1),), ended_lately=1),
        replace(GONE, ended=()),
        replace(GONE, doors=(replace(DOOR, verdict=DoorVerdict.REFUSED),)),
    ):
        (told,) = judged(nats_not_connected, answered(other)).verdicts
        assert told.verdict is Verdict.CLEAR


def test_what_was_not_seen_is_not_judged() -> None:
    for blind in (
        replace(GONE, links=None),
        replace(GONE, ended=None, blind=(Blind(what="connections as the servers see them", why="no observer"),)),
        replace(GONE, blind=(Blind(what="links", why="not permitted"),)),
    ):
        (told,) = judged(nats_not_connected, answered(blind)).verdicts
        assert told.verdict is Verdict.BLIND
