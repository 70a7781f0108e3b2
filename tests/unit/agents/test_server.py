import msgspec
import pytest

from diagmesh.contract.answers.server import Server, ServerQuestion
from diagmesh.contract.answers.server_parts import Rates
from diagmesh.contract.wire import Detail
from diagmesh.errors import Unavailable
from diagmesh.monitoring import MonitorReply, Seen
from diagmesh.testing import FakeTarget
from diagmesh_agents.server import server
from support.serving import SERVING, cluster

_VARZ = {"server_id": "N", "server_name": "n1", "version": "2.12.0", "cores": 2, "cpu": 50, "in_msgs": 0}


class FakeDoor:
    """A monitoring endpoint that tells what the test gives it."""

    place = "http://the-test:8222"

    def __init__(self, **replies: tuple[int, object]) -> None:
        self.replies = replies
        self.asked: list[str] = []
        self.past: list[Seen] = []

    async def ask(self, path: str, *, timeout_s: float = 2.0, limit_bytes: int = 8 << 20) -> MonitorReply:
        """The reply, by the name of the endpoint."""
        del timeout_s, limit_bytes
        self.asked.append(path)
        status, body = self.replies.get(path.partition("?")[0], (200, {}))
        return MonitorReply(status, msgspec.json.encode(body))

    async def accepts(self, port: int, *, timeout_s: float = 1.0) -> bool:
        """Never."""
        del port, timeout_s
        return False


async def answer(door: FakeDoor, detail: Detail = Detail.BRIEF) -> Server:
    found = await server.look(ServerQuestion(detail=detail), FakeTarget(monitor=door))
    assert isinstance(found, Server)
    return found


async def test_without_the_setting_it_is_not_on_this_instance_and_the_way_is_told() -> None:
    with pytest.raises(Unavailable) as refused:
        await server.look(ServerQuestion(), FakeTarget())
    assert refused.value.code == 501
    assert "[targets.nats_server]" in refused.value.hint


async def test_brief_takes_one_look_and_asks_for_no_peers() -> None:
    door = FakeDoor(varz=(200, _VARZ), healthz=(200, {"status": "ok"}))
    found = await answer(door)
    assert (found.name, found.load.cpu_share, found.rates) == ("n1", 0.25, None)
    assert door.asked.count("varz") == 1
    assert not any(path.startswith(("accstatz", "routez", "leafz")) for path in door.asked)


async def test_rates_are_told_between_two_looks_of_one_run_of_the_server() -> None:
    door = FakeDoor(varz=(200, {**_VARZ, "in_msgs": 500}), healthz=(200, {"status": "ok"}))
    counters = dict.fromkeys(("in_msgs", "out_msgs", "in_bytes", "out_bytes", "total_connections"), 0.0)
    counters |= dict.fromkeys(("connections", "slow_consumers", "stalled_clients", "mem", "cpu_share"), 0.0)
    first = await answer(door)
    door.past[:] = [Seen(door.past[0].at - 10, "N", counters)]
    second = await answer(door)
    assert first.rates is None
    assert second.rates is not None
    assert second.rates.in_msgs_per_s == pytest.approx(50, rel=0.1)
    door.past[:] = [Seen(door.past[0].at - 10, "an earlier run", counters)]
    assert (await answer(door)).rates is None


@pytest.mark.parametrize("reply", [(404, "no"), (200, {}), (200, [1]), (200, {"cpu": "much"})])
async def test_what_is_no_nats_server_is_refused(reply: tuple[int, object]) -> None:
    with pytest.raises(Unavailable, match="http://the-test:8222/varz"):
        await answer(FakeDoor(varz=reply))


async def test_what_cannot_be_had_is_blind_and_the_rest_is_told() -> None:
    door = FakeDoor(varz=(200, _VARZ), healthz=(503, {"status": "unavailable", "error": "no quorum"}), connz=(500, {}))
    found = await answer(door)
    assert {one.what for one in found.blind} == {"connz"}
    assert [(one.ok, one.status_code, one.error) for one in found.health] == [(False, 503, "no quorum")] * 2


def test_the_servers_of_a_mesh_are_added_up_each_once() -> None:
    rates = Rates(over_s=5.0, in_msgs_per_s=10.0)
    three = [msgspec.structs.replace(one, rates=rates) for one in cluster()]
    told = [(f"nats/{one.name}", one) for one in three] + [("nats/again", three[0])]
    whole = Server.as_one(told)
    assert whole is not None
    assert (whole.name, len(whole.servers)) == ("3 servers", 3)
    assert whole.load.connections == 15
    assert whole.load.cpu_share == pytest.approx(SERVING.load.cpu_share)
    assert whole.rates is not None
    assert whole.rates.in_msgs_per_s == 30.0
    assert Server.as_one([]) is None
