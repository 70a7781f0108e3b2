"""NATS-014: a real client with as many subscriptions as the JWT of its user allows."""

from pathlib import Path

import pytest

from diagmesh.contract.findings import Severity
from diagmesh.settings import ConnectionSettings, NatsSettings
from support.linked import client, linked
from support.natsserver import MakeServer
from support.operators import Operator, creds
from support.ruling import codes, found


@pytest.mark.parametrize(
    ("count", "severity"), [(5, None), (9, Severity.WARNING), (10, Severity.ERROR)], ids=["few", "near", "reached"]
)
async def test_how_near_the_limit_is(
    make_server: MakeServer, tmp_path: Path, count: int, severity: Severity | None
) -> None:
    operator, eye, mine = Operator(system=True), tmp_path / "eye.creds", tmp_path / "orders.creds"
    eye.write_text(creds(*operator.user()), encoding="utf-8")
    mine.write_text(creds(*operator.user(subs=10)), encoding="utf-8")
    with make_server(config=operator.config) as server:
        given = ConnectionSettings(url=server.url, creds_file=str(mine))
        observer = NatsSettings(url=server.url, creds_file=str(eye))
        with client(server, "orders", subscribe=count, user_credentials=str(mine)) as child:
            async with linked(pid=child.pid, observer=observer, connection=given) as it:
                diagnosis = await it.judged()
    assert codes(diagnosis) == ([] if severity is None else ["NATS-014"])
    if severity is not None:
        finding = found(diagnosis, "NATS-014")
        assert finding.severity is severity
        assert finding.title.startswith(f"orders has {count} of 10 subscriptions: ")
