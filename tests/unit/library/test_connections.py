"""What the connections of the servers say of somebody who is silent: leafnodes, and who connected when."""

import msgspec
import pytest

from diagmesh.connections import Connections, Since, judge
from diagmesh.contract import subjects
from diagmesh.contract.directory import InstanceState
from diagmesh.expected import Expected, Key
from diagmesh.membership import Membership
from support.crowd import Crowd

I1, E1 = Key("orders", "i1"), Key("edge", "e1")
LINKED = Since("2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z", 100.0)
LEAF = Connections(10, frozenset(), frozenset({"n1"}), leaves={"site": LINKED})


def test_behind_a_leafnode_nobody_is_called_not_connected() -> None:
    live = judge(Expected(key=E1, server="site"), LEAF)
    assert live.state is InstanceState.UNKNOWN
    assert "behind the leafnode 'site'" in live.detail
    assert "let the user of that leafnode publish to the inboxes" in live.detail
    assert live.since == pytest.approx(99.0), "then the link was made: who was asked before has not heard it"
    lost = judge(Expected(key=E1, server="site", live=False), LEAF)
    assert lost.state is InstanceState.UNKNOWN
    assert "inboxes" not in lost.detail, "whose heartbeats ended lacks more than the right to answer"
    assert judge(Expected(key=E1, server="site", heard_at=11), LEAF).state is InstanceState.UNKNOWN


def test_when_a_connection_began_is_told_by_our_own_clock() -> None:
    since = Since("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:06.123456789Z", 100.0)
    assert since.monotonic() == pytest.approx(99.0)
    seen = Connections(10, frozenset({I1}), frozenset({"n1"}), since={I1: since})
    assert judge(Expected(key=I1, server="n1"), seen).since == pytest.approx(99.0)


@pytest.mark.parametrize(("start", "now"), [("", ""), ("yesterday", "today"), ("2026-01-02T03:04:05", "2026-01-02Z")])
def test_a_server_that_does_not_tell_it_leaves_it_open(start: str, now: str) -> None:
    assert Since(start, now, 100.0).monotonic() is None


async def test_links_of_leafnodes_are_among_the_connections_and_are_not_waited_for() -> None:
    crowd = Crowd()
    start, now = "2026-01-02T03:04:05Z", "2026-01-02T03:04:25Z"
    connections = [
        {"name": "diag/orders/i1", "kind": "Client", "start": start},
        {"name": "site", "kind": "Leafnode", "start": start},
    ]
    told = {"server": {"name": "n1"}, "data": {"connections": connections, "total": 2, "now": now}}
    await crowd.on(subjects.CONNZ, lambda _: [msgspec.json.encode(told)])
    ticks = iter(range(1, 1000))
    membership = Membership(crowd.server.bus(), total_s=5.0, stall_s=0.05, clock=lambda: float(next(ticks)))
    missing = (Expected(key=I1, server="n1"), Expected(key=E1, server="site"))
    first = await membership.absences(missing, 0)
    assert {key: one.state for key, one in first.items()} == {I1: InstanceState.SILENT, E1: InstanceState.UNKNOWN}
    began = first[I1].since
    assert began is not None
    assert began < 0, "twenty seconds before the look"
    seen = await membership.look(500, frozenset({"n1", "site"}))
    assert seen.servers == {"n1"}
    assert set(seen.leaves) == {"site"}
