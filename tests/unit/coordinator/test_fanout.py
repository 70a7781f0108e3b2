"""A coordinator on the bus in memory: directory, fan-out of any kind, warming, control."""

import asyncio
import time
from functools import partial
from typing import Any

import msgspec
import pytest

from diagmesh.bus.core import Message
from diagmesh.client import Mesh
from diagmesh.contract.codec import encode
from diagmesh.contract.coding import ACCEPT_HEADER, MSGPACK, coded
from diagmesh.contract.directory import InstanceState
from diagmesh.contract.findings import Fact, Finding, FindingClass, Severity
from diagmesh.contract.mesh import Ended, Field, MeshAnswer, Silent, Unexpected
from diagmesh.contract.presence import Event, Heartbeat
from diagmesh.contract.wire import Reply
from diagmesh.control import sign
from diagmesh.errors import Declined, Unreadable
from diagmesh.keys import generate
from diagmesh.roster import Roster
from diagmesh_coordinator.fanout import gather_s
from diagmesh_coordinator.fitting import fitted
from support.coordinators import WELL
from support.crowd import reply
from support.lab import BEAT_S, Lab


@pytest.fixture
async def lab() -> Any:
    made = Lab()
    await made.start()
    yield made
    await made.coordinator.stop()


async def test_any_kind_that_an_agent_answers_is_added_up(lab: Lab) -> None:
    await lab.join("orders", "i1", kinds=("health", "home-made"))
    await lab.join("payments", "p1")
    total = await lab.sum()
    assert (total.expected, total.answered, total.ended) == (2, 2, Ended.COMPLETE)
    assert total.fields["state"].counts == {"up": 2}
    own = await lab.sum("home-made", services=["orders"])
    assert (own.answered, own.fields) == (1, {})
    assert any("counts only" in note for note in own.notes)


async def test_a_kind_that_nobody_answers_is_404_with_the_kinds(lab: Lab) -> None:
    await lab.join("orders", "i1")
    refused = await lab.ask("diag.mesh.nope")
    assert refused.problem is not None
    assert (refused.problem.code, refused.problem.hint) == (404, "kinds: check, coordinator, services, health")


async def test_the_servers_are_the_sum_of_server(lab: Lab) -> None:
    await lab.join("orders", "i1")
    nobody = await lab.ask("diag.mesh.servers")
    assert nobody.problem is not None
    assert (nobody.problem.code, nobody.problem.hint) == (404, "kinds: check, coordinator, services, health")
    await lab.join("nats", "n1", kinds=("health", "server"))
    reply = await lab.ask("diag.mesh.servers")
    total = await lab.sum("servers", services=["nats"])
    assert (reply.kind, total.of, total.expected, total.answered) == ("servers", "server", 1, 1)
    refused = await lab.ask("diag.mesh.nope")
    assert refused.problem is not None
    assert refused.problem.hint == "kinds: check, coordinator, services, health, server, servers"


async def test_a_named_coordinator_answers_too(lab: Lab) -> None:
    await lab.join("orders", "i1")
    assert (await lab.ask("diag.mesh.health.c1")).instance == "c1"


async def test_the_gone_and_the_hung_are_told_apart(lab: Lab) -> None:
    await lab.join("orders", "i1")
    await lab.join("orders", "killed", answers=False)
    lab.connected.remove("diag/orders/killed")
    began = time.monotonic()
    total = await lab.sum(timeout_ms=5000)
    assert time.monotonic() - began < 3, "whoever is not connected is not waited for"
    assert [(one.instance, one.reason.partition(":")[0]) for one in total.silent] == [("killed", "not connected")]
    lab.connected.append("diag/orders/killed")
    began = time.monotonic()
    total = await lab.sum(timeout_ms=600)
    assert time.monotonic() - began < 5
    assert [one.reason.partition(":")[0] for one in total.silent] == ["connected but silent"]
    assert (total.ended, total.by_status) == (Ended.TIMEOUT, {"answered": 1, "silent": 1})


async def test_agents_get_less_time_than_the_asker(lab: Lab) -> None:
    await lab.join("orders", "i1")
    lab.crowd.asked.clear()
    await lab.sum(timeout_ms=1000)
    (asked,) = [message for message in lab.crowd.asked if message.subject == "diag.orders.health.all"]
    assert 500 <= msgspec.json.decode(asked.data)["timeout_ms"] < 900
    assert gather_s(1.0) == 0.9
    assert gather_s(60) == 59.75


async def test_each_and_limit(lab: Lab) -> None:
    for number in range(5):
        await lab.join("orders", f"i{number}")
    total = await lab.sum(each=True)
    assert len(total.each or ()) == 5
    limited = await lab.sum(limit=2)
    assert (limited.answered, limited.ended, limited.silent, limited.each) == (2, Ended.LIMIT, (), None)


async def test_bye_removes_at_once(lab: Lab) -> None:
    await lab.join("orders", "i1")
    await lab.join("orders", "i2")
    await lab.beat("orders", "i2", bye=True)
    assert [one.instance for one in (await lab.services()).services[0].instances] == ["i1"]


async def test_the_directory_names_states_and_reasons(lab: Lab) -> None:
    await lab.join("orders", "i1", labels={"zone": "a"}, version="9")
    await lab.join("orders", "killed")
    lab.connected.remove("diag/orders/killed")
    await lab.join("orders", "lost", interval_s=0.01)
    await asyncio.sleep(0.05)
    services = await lab.services()
    (entry,) = services.services
    states = {one.instance: one.state for one in entry.instances}
    assert states == {
        "i1": InstanceState.LIVE,
        "killed": InstanceState.NOT_CONNECTED,
        "lost": InstanceState.SILENT,
    }
    assert (services.live, services.missing, services.kinds) == (1, 2, ("health",))
    assert (entry.instances[0].labels, entry.instances[0].version, entry.instances[0].reason) == (
        {"zone": "a"},
        "9",
        "",
    )
    (us,) = services.coordinators
    assert (us.instance, us.self, us.boot) == ("c1", True, lab.coordinator.identity.boot)
    refused = await lab.ask("diag.mesh.services", {"services": ["nope"]})
    assert refused.problem is not None
    assert (refused.problem.code, refused.problem.hint) == (404, "services: orders")


@pytest.mark.parametrize("kind", ["services", "health"])
async def test_who_names_everybody_is_told_how_to_ask_everybody(lab: Lab, kind: str) -> None:
    await lab.join("orders", "i1")
    for name in ("all", "mesh", "*"):
        refused = await lab.ask(f"diag.mesh.{kind}", {"services": [name]})
        assert refused.problem is not None
        assert (refused.problem.code, refused.problem.hint) == (
            400,
            "all instances of every service: leave services empty",
        )


async def test_a_question_that_names_thousands_costs_no_more_than_a_look(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lab.join("orders", "i1")
    listed, really = list[Roster](), Roster.services

    def counted(roster: Roster) -> tuple[str, ...]:
        listed.append(roster)
        return really(roster)

    monkeypatch.setattr(Roster, "services", counted)
    refused = await lab.ask("diag.mesh.services", {"services": [f"s{number}" for number in range(7000)]})
    assert refused.problem is not None
    assert (refused.problem.code, "and 6980 more" in refused.problem.detail) == (404, True)
    assert len(listed) < 10


async def test_other_coordinators_are_listed(lab: Lab) -> None:
    await lab.beat("mesh", "c2", boot="other")
    names = [(one.instance, one.self) for one in (await lab.services()).coordinators]
    assert names == [("c1", True), ("c2", False)]
    assert (await lab.services()).services == (), "a coordinator is no service"


async def test_two_under_one_name_are_a_problem_in_directory_and_sum(lab: Lab) -> None:
    await lab.join("orders", "i1", boot="a", interval_s=0.1)
    for boot in ("b", "a", "b", "a"):
        await asyncio.sleep(0.04)
        await lab.beat("orders", "i1", boot=boot, interval_s=0.1)
    (problem,) = (await lab.services()).problems
    assert "two sidecars call themselves orders/i1" in problem
    assert any("orders/i1" in note for note in (await lab.sum()).notes)


async def test_heartbeats_that_cannot_be_read_are_told_with_their_subject_and_only_in_the_directory(lab: Lab) -> None:
    """Whoever may ask the server anything can have its answer sent there: that must not stand in every sum."""
    await lab.join("payments", "p1")
    for data in (b"junk", b'{"v":1}', b"x" * 20_000):
        await lab.bus.publish("diagev.hb.orders.i1", data)
    await asyncio.sleep(0.01)
    services = await lab.services()
    assert [one.service for one in services.services] == ["payments"]
    (problem,) = services.problems
    assert problem == ("3 heartbeats of the last five minutes could not be read, on diagev.hb.orders.i1: ignored")
    assert (await lab.sum()).notes == ()


async def test_an_empty_mesh_says_that_nobody_is_known(lab: Lab) -> None:
    total = await lab.sum()
    assert (total.expected, total.answered, total.ended) == (0, 0, Ended.COMPLETE)
    assert any("nobody is known" in note for note in total.notes)


async def test_while_warming_it_asks_whom_it_can_find_and_says_so() -> None:
    lab = Lab(heartbeat_s=30)
    await lab.crowd.instance("orders", "i1")
    await lab.start(warm=False)
    total = await lab.sum("whatever")
    assert (total.ended, total.answered, total.silent) == (Ended.WARMING, 1, ())
    assert (await lab.services()).ended is Ended.WARMING
    unknown = await lab.sum(services=["nobody"])
    assert (unknown.ended, unknown.answered) == (Ended.WARMING, 0)
    await lab.coordinator.stop()


async def test_made_up_kinds_cannot_fill_it_while_it_knows_nobody(lab: Lab) -> None:
    for number in range(200):
        await lab.ask(f"diag.mesh.kind-{number}")
    assert len(lab.coordinator.member.responder.stats) <= 64


async def test_made_up_kinds_cannot_push_out_those_of_the_installed_pack() -> None:
    lab = Lab(heartbeat_s=30.0)  # the test says when it has warmed up, however slow the machine is
    directory = lab.coordinator.directory
    await lab.crowd.instance("orders", "i1")
    await lab.start(warm=False)
    await asyncio.gather(*(lab.ask(f"diag.mesh.kind-{number}") for number in range(100)))
    assert (await lab.sum("health")).ended is Ended.WARMING
    directory._hearing_since = directory._clock() - 60.0
    await lab.join("orders", "i1")
    refused = await lab.ask("diag.mesh.kind-1")
    assert refused.problem is not None
    assert refused.problem.code == 404, "now it is known who is there"
    # Warming once more: what was made up the first time has no place any longer.
    lab.crowd.server.cut()
    directory._deaf_since = directory._clock() - 60.0  # longer than a heartbeat
    lab.crowd.server.heal()
    assert (await lab.sum("home-made")).ended is Ended.WARMING
    await lab.coordinator.stop()


async def test_other_coordinators_are_not_lost_by_our_own_outage(lab: Lab) -> None:
    await lab.beat("mesh", "c2", boot="other", interval_s=0.3)
    lab.crowd.server.cut()
    await asyncio.sleep(1.2)
    lab.crowd.server.heal()
    assert [one.instance for one in (await lab.services()).coordinators] == ["c1", "c2"]


async def test_a_heartbeat_above_the_limit_is_not_taken_in_although_it_could_be_read(lab: Lab) -> None:
    beat = encode(Heartbeat(v=1, boot="b1", interval_s=30.0))
    await lab.bus.publish("diagev.hb.orders.padded", beat + b" " * 16 * 1024)
    await lab.bus.publish("diagev.hb.orders.fits", beat)
    await asyncio.sleep(0.01)
    services = await lab.services()
    assert [one.instance for entry in services.services for one in entry.instances] == ["fits"]
    (problem,) = services.problems
    assert problem.startswith("1 heartbeat of the last five minutes could not be read, on diagev.hb.orders.padded")


async def test_after_a_long_outage_nobody_is_called_lost(lab: Lab) -> None:
    await lab.join("orders", "i1", interval_s=0.3)
    lab.crowd.server.cut()
    await asyncio.sleep(1.2)
    lab.crowd.server.heal()
    total = await lab.sum()
    assert (total.answered, total.silent) == (1, ())
    assert total.ended is Ended.WARMING, "newcomers of that time were not heard yet"


async def test_replicas_that_were_never_seen_are_silent() -> None:
    lab = Lab(replicas={"orders": 2})
    await lab.start()
    await lab.join("orders", "i1")
    total = await lab.sum()
    assert (total.expected, total.answered, total.by_status) == (2, 1, {"answered": 1, "silent": 1})
    assert total.worst is not None
    assert (total.worst.service, total.worst.reason) == (
        "orders",
        "not connected: 1 of 2 declared replicas is missing (never heard of, left, or forgotten)",
    )
    services = await lab.services()
    assert (services.services[0].declared, services.services[0].lacking, services.missing) == (2, 1, 1)
    await lab.coordinator.stop()


async def test_all_declared_replicas_count_also_those_that_are_not_named() -> None:
    lab = Lab(replicas={"orders": 1200, "payments": 900})
    await lab.start()
    await lab.join("orders", "i1")
    total = await lab.sum()
    assert (total.expected, total.answered, total.by_status["silent"]) == (2100, 1, 2099)
    assert len(total.silent) == 1000
    assert any("1099 of the declared replicas are not named" in note for note in total.notes)
    assert (await lab.services()).missing == 2099
    await lab.coordinator.stop()


async def test_a_forged_reply_is_not_counted(lab: Lab) -> None:
    await lab.join("orders", "i1", answers=False)
    await lab.join("payments", "p1")
    await lab.crowd.on("diag.payments.health.all", lambda _: [encode(reply("orders", "i1"))])
    total = await lab.sum(timeout_ms=600)
    assert [(one.service, one.instance) for one in total.unexpected] == [("orders", "i1")]
    assert [one.instance for one in total.silent] == ["i1"]


# --- control


class Operator:
    """Somebody who signs."""

    def __init__(self) -> None:
        self.key = generate()
        self._count = 0

    async def forget(self, lab: Lab, body: object, *, target: str = ".c1", boot: str = "") -> Reply:
        self._count += 1
        subject, data = f"diagctl.mesh.forget{target}", msgspec.json.encode(body)
        header = sign(
            seed=self.key.seed,
            subject=subject,
            body=data,
            boot=boot or lab.coordinator.identity.boot,
            now=time.time(),
            nonce=f"{self._count:024}",
        )
        return await lab.ask(subject, data, {"Diag-Auth": header})


async def test_forget_is_closed_by_default(lab: Lab) -> None:
    refused = await Operator().forget(lab, {"service": "orders"})
    assert refused.problem is not None
    assert (refused.problem.code, refused.problem.detail) == (403, "control is closed")


async def test_a_signed_forget_is_done_once_and_told() -> None:
    operator = Operator()
    lab = Lab(operators=(operator.key.public,))
    events: list[Event] = []

    def note(message: Message) -> None:
        events.append(msgspec.json.decode(message.data, type=Event))

    await lab.bus.subscribe("diagev.ev.mesh.control", note)
    await lab.start()
    await lab.join("orders", "lost", interval_s=0.01)
    await lab.join("orders", "here")
    await asyncio.sleep(0.05)
    done = await operator.forget(lab, {"service": "orders"})
    assert isinstance(done.answer, msgspec.Raw), done.problem
    assert msgspec.json.decode(done.answer) == {
        "forgotten": [{"service": "orders", "instance": "lost"}],
        "kept": [{"service": "orders", "instance": "here"}],
    }
    assert [one.instance for one in (await lab.services()).services[0].instances] == ["here"]
    for body, more, code in (
        ({"service": "orders"}, {"boot": "an earlier start"}, 403),
        ({"service": "orders"}, {"target": ""}, 400),
        ({"service": "a b"}, {}, 400),
    ):
        refused = await operator.forget(lab, body, **more)
        assert refused.problem is not None
        assert refused.problem.code == code
    unsigned = await lab.ask("diagctl.mesh.forget.c1", {"service": "orders"})
    assert unsigned.problem is not None
    assert unsigned.problem.code == 403
    await lab.coordinator.stop()
    assert [event.what for event in events[:2]] == [
        "accepted: forget orders/(all lost)",
        "done: forget orders/(all lost): 1 forgotten, 1 kept",
    ]
    assert all(event.detail == {"operator": operator.key.public} for event in events[:2])
    refusals = [event for event in events if event.what.startswith("refused: forget: ")]
    assert sum(event.count for event in refusals) == 4


async def test_the_client_forgets_through_the_directory(tmp_path: Any) -> None:
    operator = Operator()
    seed = tmp_path / "operator.nk"
    seed.write_bytes(operator.key.seed)
    lab = Lab(operators=(operator.key.public,))
    await lab.start()
    await lab.join("orders", "lost", interval_s=0.01)
    await asyncio.sleep(0.05)
    (outcome,) = await Mesh(lab.bus).forget("orders", "lost", seed_file=seed)
    assert [one.instance for one in outcome.answer.forgotten] == ["lost"]
    await lab.coordinator.stop()


async def test_coordinators_are_listed_live_or_lost_and_forgotten_like_instances() -> None:
    operator = Operator()
    lab = Lab(operators=(operator.key.public,), coordinators=5)
    await lab.start(warm=False)
    for name in ("killed", "hung"):
        await lab.beat("mesh", name, interval_s=0.01)
    await lab.beat("mesh", "well")
    await lab.beat("mesh", "a-well")
    lab.connected += ["diag/mesh/a-well", "diag/mesh/c1", "diag/mesh/hung", "diag/mesh/well"]
    await asyncio.sleep(1.4 * BEAT_S)
    told = await lab.services()
    assert [(one.instance, one.state, one.self) for one in told.coordinators] == [
        ("a-well", InstanceState.LIVE, False),
        ("c1", InstanceState.LIVE, True),
        ("hung", InstanceState.SILENT, False),
        ("killed", InstanceState.NOT_CONNECTED, False),
        ("well", InstanceState.LIVE, False),
    ]
    assert told.coordinators[2].reason == "it is hung, frozen or overloaded"
    assert (told.coordinators_declared, told.coordinators_lacking, told.missing) == (5, 0, 0)
    done = await operator.forget(lab, {"service": "mesh"})
    assert done.problem is None
    told = await lab.services()
    assert [one.instance for one in told.coordinators] == ["a-well", "c1", "well"]
    assert told.coordinators_lacking == 2
    await lab.coordinator.stop()


@pytest.mark.parametrize(
    ("answer", "says"),
    [(b"[" * 700 + b"]" * 700, "nested deeper"), (b"[1e999]", "64 bits"), (b"9" * 400, "64 bits")],
)
async def test_an_answer_that_no_reader_can_hold_does_not_spoil_the_sum(lab: Lab, answer: bytes, says: str) -> None:
    await lab.join("orders", "i1")
    odd = encode(reply("payments", "p1", kind="health", answer=0)).replace(b'"answer":0', b'"answer":' + answer)
    await lab.crowd.on("diag.payments.*.all", lambda _: [odd])
    await lab.beat("payments", "p1")
    lab.connected.append("diag/payments/p1")
    total = await lab.sum(each=True, timeout_ms=2000)
    assert [one.instance for one in total.each or ()] == ["i1"]
    ((silent, reason),) = [(one.instance, one.reason) for one in total.silent]
    assert (silent, says in reason) == ("p1", True)
    headers = {ACCEPT_HEADER: MSGPACK}
    message = await lab.bus.request("diag.mesh.health", encode({"each": True}), timeout_s=3.0, headers=headers)
    assert msgspec.msgpack.decode(message.data)["answer"]["answered"] == 1
    await lab.crowd.on("diag.payments.*", lambda _: [odd])
    with pytest.raises(Unreadable, match=says):
        await Mesh(lab.bus).one("health", "payments")


class Peers:
    """Other coordinators, which note what they were asked and answer as well as one may."""

    def __init__(self, lab: Lab, *names: str) -> None:
        self.lab = lab
        self.names = names
        self.asked: list[tuple[str, int]] = []

    async def join(self) -> None:
        for name in self.names:
            await self.lab.crowd.on(f"diag.mesh.*.{name}", partial(self._say, name))
            await self.lab.crowd.on("diag.mesh.*.all", partial(self._say, name))
            await self.lab.beat("mesh", name)
            self.lab.connected.append(f"diag/mesh/{name}")

    def _say(self, name: str, message: Message) -> list[bytes]:
        self.asked.append((message.subject, msgspec.json.decode(message.data)["timeout_ms"]))
        return [encode(reply("mesh", name, kind="coordinator", answer=WELL))]


async def test_coordinators_in_batches_share_the_time_as_instances_do(lab: Lab) -> None:
    peers = Peers(lab, "c2", "c3", "c4")
    await peers.join()
    total = await lab.sum("coordinator", batch=1, timeout_ms=2800)
    assert (total.answered, total.expected, total.not_asked) == (4, 4, ())
    assert [subject for subject, _ in peers.asked] == [f"diag.mesh.coordinator.{name}" for name in peers.names]
    assert all(given <= 2800 / 4 for _, given in peers.asked), "each had its share, not all of the time"
    peers.asked.clear()
    await lab.sum("coordinator", timeout_ms=2800)
    assert all(given > 2000 for _, given in peers.asked)


async def test_batches_of_coordinators_that_do_not_fit_are_refused_as_those_of_instances(lab: Lab) -> None:
    peers = Peers(lab, "c2", "c3", "c4")
    await peers.join()
    for body in ({"batch": 1, "pause_ms": 900, "timeout_ms": 2500}, {"batch": 1, "timeout_ms": 600}):
        refused = await lab.ask("diag.mesh.coordinator", body)
        assert refused.problem is not None
        assert refused.problem.code == 400
        assert refused.problem.detail.startswith("batch: 4 batches with ")
    assert peers.asked == []
    with pytest.raises(Declined, match="batch: 4 batches with 900 ms"):
        await Mesh(lab.bus).mesh("coordinator", batch=1, pause_ms=900, timeout_s=2.5)
    assert peers.asked == []
    result = await Mesh(lab.bus).mesh("coordinator", batch=2, pause_ms=1, timeout_s=5.0)
    assert (result.answer.answered, result.answer.expected) == (4, 4)
    assert {subject for subject, _ in peers.asked} == {f"diag.mesh.coordinator.{name}" for name in peers.names}
    assert all(given <= 2500 for _, given in peers.asked)


async def test_a_lost_coordinator_that_was_replaced_is_in_no_batch() -> None:
    lab = Lab(coordinators=2)
    await lab.start()
    peers = Peers(lab, "c2", "c3")
    await peers.join()
    await lab.beat("mesh", "c3", interval_s=0.01)
    await asyncio.sleep(0.05)
    total = await lab.sum("coordinator", batch=1, timeout_ms=2500)
    assert (total.expected, total.answered, total.silent) == (2, 2, ())
    assert [subject for subject, _ in peers.asked] == ["diag.mesh.coordinator.c2"]
    await lab.coordinator.stop()


# --- what does not fit


def test_what_does_not_fit_loses_its_details_never_its_sum() -> None:
    each = tuple(reply("orders", f"i{number}", answer={"x": "y" * 100}) for number in range(100))
    total = MeshAnswer(of="health", expected=100, answered=100, each=each)
    assert fitted(total, 1_000_000) is total
    cut = fitted(total, 5000)
    assert (cut.each, cut.answered) == (None, 100)
    assert cut.notes == ("left out to fit into one message: the single replies",), "and nothing else is said"


def test_all_answers_as_one_are_left_out_after_the_single_replies() -> None:
    each = tuple(reply("orders", f"i{number}", answer={"x": "y" * 100}) for number in range(100))
    merged = msgspec.Raw(msgspec.json.encode({"x": "y" * 3000}))
    total = MeshAnswer(of="health", expected=100, answered=100, each=each, merged=merged)
    cut = fitted(total, 5000)
    assert (cut.each, cut.merged) == (None, merged)
    cut = fitted(total, 2000)
    assert cut.merged is msgspec.UNSET
    assert cut.notes == ("left out to fit into one message: the single replies; the merged answer",)


def finding(number: int, size: int) -> Finding:
    return Finding(
        code=f"RES-{number:03}",
        severity=Severity.ERROR,
        class_=FindingClass.RESOURCE_EXHAUSTION,
        title="t" * 50,
        instances=tuple(f"orders/i{place}" for place in range(size)),
        evidence=tuple(Fact(what="w" * 30, value=place) for place in range(20)),
    )


def fleet(size: int) -> MeshAnswer:
    """Nobody answers, and everything that can be listed is listed."""
    silent = tuple(Silent(service="orders", instance=f"i{number}", reason="r" * 100) for number in range(size))
    where = tuple(f"orders/i{number}" for number in range(size))
    return MeshAnswer(
        of="health",
        expected=size,
        answered=0,
        silent=silent,
        by_status={"silent": size},
        fields={"state": Field(n=size, worst="down", worst_at=where)},
        findings=tuple(finding(number, size) for number in range(size and 300)),
        unexpected=tuple(Unexpected(service="orders", instance="x", reason="r" * 300) for _ in range(min(size, 100))),
        each=tuple(reply("orders", f"i{number}") for number in range(size)),
    )


def test_a_fleet_of_silent_ones_still_fits() -> None:
    cut = fitted(msgspec.structs.replace(fleet(5000), findings=(), each=None), 200_000)
    assert len(encode(cut)) <= 200_000
    assert (len(cut.silent), cut.by_status, len(cut.fields["state"].worst_at)) == (500, {"silent": 5000}, 500)
    assert cut.notes == ("left out to fit into one message: 4500 of 5000 silent; 4500 of 5000 places of state",)


def test_findings_are_cut_too_and_the_note_says_what_is_missing() -> None:
    total = msgspec.structs.replace(fleet(0), each=None, findings=tuple(finding(number, 1000) for number in range(60)))
    cut = fitted(total, 200_000)
    assert len(encode(cut)) <= 200_000
    assert [one.code for one in cut.findings] == [one.code for one in total.findings[:50]], "the worst stay"
    assert {(len(one.instances), len(one.evidence)) for one in cut.findings} == {(50, 20)}
    assert cut.notes == ("left out to fit into one message: 10 of 60 findings; 47500 of 50000 instances of findings",)


@pytest.mark.parametrize("size", [0, 3, 100, 2000])
@pytest.mark.parametrize("limit_bytes", [1500, 4000, 60_000, 500_000])
@pytest.mark.parametrize("msgpack", [False, True])
def test_whatever_is_listed_the_sum_fits(size: int, limit_bytes: int, msgpack: bool) -> None:
    total = fleet(size)
    cut = fitted(total, limit_bytes, msgpack=msgpack)
    assert len(coded(cut, msgpack=msgpack)) <= limit_bytes
    assert (cut.expected, cut.answered, cut.by_status) == (total.expected, 0, total.by_status)
    assert bool(cut.notes) == (cut != total), "nothing is left out without a word"


def test_it_is_fitted_in_the_coding_that_is_sent() -> None:
    many = tuple(reply("orders", f"i{number}", answer={"shares": [0.5] * 300}) for number in range(20))
    total = MeshAnswer(of="x", expected=20, answered=20, each=many)
    small, large = len(coded(total, msgpack=False)), len(coded(total, msgpack=True))
    assert 1.5 * small < large, "nine bytes for each of these numbers instead of four"
    assert fitted(total, small) is total
    assert fitted(total, large, msgpack=True) is total
    cut = fitted(total, small, msgpack=True)
    assert (cut.each, cut.answered, len(cut.notes)) == (None, 20, 1)


async def test_a_sum_in_messagepack_arrives_where_only_as_json_it_would_have_fitted() -> None:
    lab = Lab()
    lab.crowd.server.max_payload = 20_000
    await lab.start()
    for number in range(4):
        await lab.crowd.instance("orders", f"i{number}", answer={"shares": [0.5] * 600})
        await lab.beat("orders", f"i{number}")
    body = encode({"each": True})
    assert len((await lab.sum(each=True)).each or ()) == 4
    message = await lab.bus.request("diag.mesh.health", body, timeout_s=3.0, headers={ACCEPT_HEADER: MSGPACK})
    told = msgspec.msgpack.decode(message.data)
    assert (told.get("problem"), told["answer"]["answered"], told["answer"]["each"]) == (None, 4, None)
    assert any("the single replies" in note for note in told["answer"]["notes"])
    await lab.coordinator.stop()


def test_too_many_fields_and_notes_are_the_last_to_go() -> None:
    fields = {f"field-{number}": Field(n=1, unit="bytes", min=1, max=2) for number in range(100)}
    total = MeshAnswer(of="x", expected=1, answered=1, fields=fields, notes=tuple("n" * 300 for _ in range(100)))
    cut = fitted(total, 12_000)
    assert (cut.fields, len(cut.notes)) == (fields, 6), "notes go before fields"
    assert cut.notes[-1] == "left out to fit into one message: 95 of 100 notes"
    least = fitted(total, 2000)
    assert least.fields == {}
    assert least.notes == ("left out to fit into one message: 100 of 100 notes; all 100 fields",)


async def test_a_sum_whose_single_replies_are_too_many_arrives_without_them() -> None:
    lab = Lab()
    lab.crowd.server.max_payload = 20_000
    await lab.start()
    for number in range(20):
        await lab.join("orders", f"i{number}")
    total = await lab.sum(each=True)
    assert len(total.each or ()) == 20
    lab.crowd.server.max_payload = 6000
    small = await lab.sum(each=True)
    assert (small.each, small.answered) == (None, 20)
    assert any("left out" in note for note in small.notes)
    await lab.coordinator.stop()
