"""NATS-008: a JWT that has expired is known by its date, though the server has the words of wrong credentials."""

import time
from pathlib import Path

from diagmesh.settings import ConnectionSettings
from support.linked import linked
from support.natsserver import MakeServer
from support.operators import Operator, creds
from support.ruling import codes, found


async def test_an_expired_jwt_is_told_with_its_date(make_server: MakeServer, tmp_path: Path) -> None:
    operator, file = Operator(), tmp_path / "orders.creds"
    with make_server(config=operator.config) as server:
        async with linked(connection=ConnectionSettings(url=server.url, creds_file=str(file))) as it:
            file.write_text(creds(*operator.user(int(time.time()) + 3600)), encoding="utf-8")
            assert codes(await it.judged()) == []
            file.write_text(creds(*operator.user(int(time.time()) - 60)), encoding="utf-8")
            diagnosis = await it.judged()
    assert codes(diagnosis) == ["NATS-008"]
    finding = found(diagnosis, "NATS-008")
    assert "the JWT in orders.creds has expired on " in finding.title
    assert finding.evidence[0].what == "the JWT ended at"


async def test_a_jwt_in_date_of_an_unknown_account_is_another_fault(make_server: MakeServer, tmp_path: Path) -> None:
    file = tmp_path / "orders.creds"
    file.write_text(creds(*Operator().user(int(time.time()) + 3600)), encoding="utf-8")
    with make_server(config=Operator().config) as server:
        async with linked(connection=ConnectionSettings(url=server.url, creds_file=str(file))) as it:
            assert codes(await it.judged()) == ["NATS-007"]
