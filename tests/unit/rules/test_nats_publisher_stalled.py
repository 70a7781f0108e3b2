"""NATS-012: a connection for which the server holds publishers up is named, with its busiest subject."""

import pytest

from diagmesh.contract.answers.connection import Connection
from diagmesh.contract.verdicts import Verdict
from diagmesh.contract.wire import Blind
from diagmesh.declare import RuleSpec
from diagmesh.settings import ConnectionSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.nats_publisher_stalled import nats_publisher_stalled
from diagmesh_rules.nats_subscription_limit import nats_subscription_limit
from support.linked import APP, linked, login, service, tell
from support.natsserver import MakeServer
from support.ruling import codes, found


async def test_the_one_for_whom_publishers_wait_is_named(make_server: MakeServer) -> None:
    # Publishers are held up from 96 MB on, for the seconds that the rest takes; at the limit the client is cut off.
    with make_server(config=APP + 'max_pending: 128MB\nwrite_deadline: "60s"') as server:
        given = ConnectionSettings(url=login(server.url, "app"))
        with service(server, "orders", reads=False, subscribe=["flood"]) as slow, service(server, "load") as load:
            async with linked(pid=slow.pid, observer=login(server.url, "eye"), connection=given) as it:
                assert codes(await it.judged()) == []
                # Several messages in each read of the server, so that it is held up as long as it may be.
                tell(load, "publish flood 10000 3000000", done=False)
                diagnosis = await it.until("NATS-012")
    finding = found(diagnosis, "NATS-012")
    assert finding.title.endswith("times a second for orders; its busiest subject is flood")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Connection(links=()), Verdict.CLEAR),
        (
            Connection(links=(), blind=(Blind(what="connections", why="refused"),)),
            Verdict.BLIND,
        ),
        (Connection(links=None), Verdict.BLIND),
    ],
    ids=["it has none", "nobody told", "its sockets are not seen"],
)
@pytest.mark.parametrize("rule", [nats_publisher_stalled, nats_subscription_limit], ids=lambda rule: rule.code)
def test_who_surely_has_no_connection_holds_nobody_up(rule: RuleSpec, answer: Connection, expected: Verdict) -> None:
    (told,) = judged(rule, answered(answer)).verdicts
    assert told.verdict is expected
