"""NATS-022: a JWT near its end is told while everything still works: that of the file, and that of the connection."""

import time
from pathlib import Path

from diagmesh.settings import ConnectionSettings, NatsSettings
from support.linked import client, linked
from support.natsserver import MakeServer
from support.operators import Operator, creds
from support.ruling import codes, found

DAY_S = 86_400


async def test_a_jwt_near_its_end_is_told_until_another_is_there(make_server: MakeServer, tmp_path: Path) -> None:
    operator, eye, mine = Operator(system=True), tmp_path / "eye.creds", tmp_path / "orders.creds"
    eye.write_text(creds(*operator.user()), encoding="utf-8")
    now = int(time.time())
    with make_server(config=operator.config) as server:
        mine.write_text(creds(*operator.user(now + 2 * DAY_S, issued=now - 28 * DAY_S)), encoding="utf-8")
        given = ConnectionSettings(url=server.url, creds_file=str(mine), client_name="orders")
        observer = NatsSettings(url=server.url, creds_file=str(eye))
        with client(server, "orders", user_credentials=str(mine)) as child:
            async with linked(pid=child.pid, observer=observer, connection=given) as it:
                diagnosis = await it.until("NATS-022")
                both = found(diagnosis, "NATS-022")
                mine.write_text(creds(*operator.user(now + 30 * DAY_S, issued=now)), encoding="utf-8")
                held = found(await it.until("NATS-022"), "NATS-022")
        with client(server, "orders", user_credentials=str(mine)) as child:
            async with linked(pid=child.pid, observer=observer, connection=given) as it:
                assert codes(await it.judged()) == []
    assert both.title == "the JWT of the connection orders ends in 48 h: the server will end its connections then"
    assert [fact.what.partition(":")[0] for fact in both.evidence] == [
        "the JWT of the connection orders",
        "the JWT in orders.creds",
    ]
    assert [fact.what for fact in held.evidence] == ["the JWT of the connection orders: left"]


async def test_a_short_one_that_is_renewed_in_time_is_none(make_server: MakeServer, tmp_path: Path) -> None:
    operator, mine, now = Operator(), tmp_path / "orders.creds", int(time.time())
    with make_server(config=operator.config) as server:
        mine.write_text(creds(*operator.user(now + 1800, issued=now - 1800)), encoding="utf-8")
        async with linked(connection=ConnectionSettings(url=server.url, creds_file=str(mine))) as it:
            assert codes(await it.judged()) == []
