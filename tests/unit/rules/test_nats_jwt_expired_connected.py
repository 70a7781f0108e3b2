"""NATS-019: a JWT that expires while its connection stands: one finding, not a second one for the connect."""

import time
from pathlib import Path

from diagmesh.settings import ConnectionSettings, NatsSettings
from support.linked import client, linked
from support.natsserver import MakeServer
from support.operators import Operator, creds
from support.ruling import found


async def test_it_is_told_once_as_what_ended_the_connection(make_server: MakeServer, tmp_path: Path) -> None:
    operator, eye, mine = Operator(system=True), tmp_path / "eye.creds", tmp_path / "orders.creds"
    eye.write_text(creds(*operator.user()), encoding="utf-8")
    with make_server(config=operator.config) as server:
        mine.write_text(creds(*operator.user(int(time.time()) + 12)), encoding="utf-8")
        given = ConnectionSettings(url=server.url, creds_file=str(mine), client_name="orders")
        observer = NatsSettings(url=server.url, creds_file=str(eye))
        with client(server, "orders", user_credentials=str(mine)) as child:
            async with linked(pid=child.pid, observer=observer, connection=given) as it:
                diagnosis = await it.until("NATS-019")
    assert (
        "the JWT of the user expired, and the server ended the connection (orders" in found(diagnosis, "NATS-019").title
    )
