"""NATS-015: connections that come and go without a reason."""

import asyncio

import pytest

from diagmesh.contract.answers.connection import Connection, Ended
from diagmesh.diagnose import Diagnosis
from diagmesh.settings import ConnectionSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.nats_reconnect_storm import nats_reconnect_storm
from support.linked import APP, linked, login, service
from support.natsserver import MakeServer
from support.ruling import codes, found


def all_30(told: Diagnosis) -> bool:
    title: str = found(told, "NATS-015").title
    return title.startswith("30 ")  # each is listed a moment after it ended


async def test_many_connections_of_one_name_are_a_storm_and_few_are_not(make_server: MakeServer) -> None:
    with make_server(config=APP) as server:
        given = ConnectionSettings(url=login(server.url, "app"))
        with service(server, "calm", reconnects=5) as child:
            async with linked(pid=child.pid, observer=login(server.url, "eye"), connection=given) as it:
                async with asyncio.timeout(20):  # the server lists those that ended a moment later
                    while ((answer := await it.answer()).reconnects or 0) < 5:
                        pass
                assert (answer.reconnects, answer.ended_lately) == (5, 5)
                assert codes(await it.judged()) == []
        with service(server, "orders", reconnects=30) as child:
            async with linked(pid=child.pid, observer=login(server.url, "eye"), connection=given) as it:
                diagnosis = await it.until("NATS-015", also=all_30)
    assert (
        found(diagnosis, "NATS-015").title == "30 connections of orders ended in the last five minutes (Client Closed)"
    )


@pytest.mark.parametrize(
    ("reason", "found_by"),
    [
        ("Protocol Violation", ["NATS-015"]),
        ("Kicked", ["NATS-015"]),
        ("Authentication Failure", []),
        ("Server Shutdown", []),
    ],
)
def test_every_reason_counts_that_no_other_code_has(reason: str, found_by: list[str]) -> None:
    many = Connection(links=(), ended=(Ended(reason=reason, count=12, lately=12, name="orders"),))
    assert [one.code for one in judged(nats_reconnect_storm, answered(many)).findings] == found_by
