"""`Mesh`, on the bus in memory with instances and a coordinator of the test's making."""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryServer
from diagmesh.client import Mesh, answer_type_of, kind_of_type
from diagmesh.contract.answers.health import Health
from diagmesh.contract.answers.resources import Resources, ResourcesQuestion
from diagmesh.contract.codec import encode
from diagmesh.contract.directory import CoordinatorEntry, InstanceEntry, InstanceState, ServiceEntry, Services
from diagmesh.contract.measures import Measure
from diagmesh.contract.mesh import Ended, MeshAnswer
from diagmesh.contract.wire import Answer, Problem, Reply, Status
from diagmesh.errors import (
    BadName,
    Declined,
    DiagmeshError,
    Failed,
    Late,
    NoAnswer,
    NoResponders,
    NotConnected,
    Refusal,
    Unavailable,
    Unreadable,
)
from diagmesh.keys import generate, write_seed
from support.crowd import Crowd, connz_reply, reply


class Depth(Answer, frozen=True, kw_only=True):
    depth: Annotated[int, Measure("count")]


def sums(answer: Any, kind: str = "health") -> bytes:
    return encode(
        Reply(v=1, service="mesh", instance="c1", kind=kind, status=Status.ANSWERED, answer=msgspec.Raw(encode(answer)))
    )


def directory(*instances: InstanceEntry) -> Services:
    entry = ServiceEntry(service="orders", instances=instances)
    return Services(services=(entry,), coordinators=(CoordinatorEntry(instance="c1", boot="boot-1"),))


async def mesh_with(*instances: str) -> tuple[Crowd, Mesh]:
    crowd = Crowd()
    for instance in instances:
        await crowd.instance("orders", instance, answer={"depth": len(instance)})
    return crowd, Mesh(crowd.server.bus())


async def coordinated(crowd: Crowd, services: Services, answer: MeshAnswer | None = None) -> None:
    await crowd.on("diag.mesh.services", lambda _: [sums(services, "services")])
    if answer is not None:
        await crowd.on("diag.mesh.depth", lambda _: [sums(answer, "depth")])


def test_kinds_and_types_belong_together() -> None:
    assert (answer_type_of("health"), kind_of_type(Health)) == (Health, "health")
    assert (answer_type_of("resources"), kind_of_type(Resources)) == (Resources, "resources")
    assert (answer_type_of("services"), kind_of_type(Services)) == (Services, "services")
    assert answer_type_of("no-such-kind") is None
    assert answer_type_of("cgroup") is None, "a module of the answers that is no kind"
    assert kind_of_type(Depth) == "depth"


async def test_one_named_instance_answers_typed() -> None:
    crowd, mesh = await mesh_with("i1", "i22")
    heard = await mesh.one(Depth, "orders", instance="i22")
    assert (heard.where, heard.answer, heard.problem) == ("orders/i22", Depth(depth=3), None)
    assert heard.answer is heard.answer, "decoded once"
    asked = msgspec.json.decode(crowd.asked[-1].data)
    assert asked == {"timeout_ms": 1800, "chunks": True}, "the agent hears of its budget"


async def test_an_unknown_kind_is_a_plain_object() -> None:
    _, mesh = await mesh_with("i1")
    assert (await mesh.one("anything", "orders", instance="i1")).answer == {"depth": 2}


async def test_the_question_goes_with_it() -> None:
    crowd, mesh = await mesh_with("i1")
    await mesh.one("resources", "orders", ResourcesQuestion(window_s=5, timeout_ms=70), instance="i1")
    assert msgspec.json.decode(crowd.asked[-1].data) == {"timeout_ms": 70, "chunks": True, "window_s": 5.0}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (Status.DECLINED, Declined),
        (Status.UNAVAILABLE, Unavailable),
        (Status.FAILED, Failed),
        (Status.LATE, Late),
    ],
)
async def test_a_problem_is_data_until_the_answer_is_insisted_on(status: Status, error: type[Refusal]) -> None:
    crowd = Crowd()
    told = Problem(code=404, error="unknown kind", detail="d", hint="h")
    await crowd.on("diag.orders.health", lambda _: [encode(reply(status=status, problem=told))])
    heard = await Mesh(crowd.server.bus()).one(Health, "orders")
    assert heard.problem == told
    with pytest.raises(error) as caught:
        _ = heard.answer
    assert (caught.value.code, caught.value.error, caught.value.detail, caught.value.hint) == (
        404,
        "unknown kind",
        "d",
        "h",
    )


@pytest.mark.parametrize(
    "body",
    [
        b"junk",
        b"{}",
        b'{"stream":"S","seq":1}',
        encode(reply("payments")),
        encode(reply(instance="i2")),
        encode(reply(answer={"x": "?"})).replace(b"?", b"\xff"),
    ],
)
async def test_what_is_no_reply_of_the_one_asked_is_refused(body: bytes) -> None:
    crowd = Crowd()
    await crowd.on("diag.orders.health.i1", lambda _: [body])
    with pytest.raises(Unreadable):
        await Mesh(crowd.server.bus()).one(Health, "orders", instance="i1")


async def test_an_answer_of_another_form_names_the_path() -> None:
    _, mesh = await mesh_with("i1")
    heard = await mesh.one(Health, "orders", instance="i1")
    with pytest.raises(Unreadable, match="orders/i1"):
        _ = heard.answer


async def test_trouble_with_the_bus_is_raised_by_name() -> None:
    crowd, mesh = await mesh_with("i1")
    await crowd.on("diag.quiet.health", lambda _: [])
    with pytest.raises(NoResponders):
        await mesh.one(Health, "nobody")
    with pytest.raises(NoAnswer):
        await mesh.one(Health, "quiet", timeout_s=0.1)
    with pytest.raises(BadName):
        await mesh.one("a.b", "orders")
    with pytest.raises(BadName):
        await mesh.one(Health, "orders", instance="*")
    with pytest.raises(Declined):
        await mesh.mesh(Health, services=["a b"])
    with pytest.raises(Declined):
        await mesh.mesh(Health, limit="many")
    crowd.server.cut()
    with pytest.raises(NotConnected):
        await mesh.one(Health, "orders")


async def test_a_coordinators_sum_comes_back_typed() -> None:
    crowd, mesh = await mesh_with()
    each = (reply("orders", "i1", kind="depth", answer={"depth": 4}),)
    await coordinated(crowd, directory(), MeshAnswer(of="depth", expected=1, answered=1, each=each))
    result = await mesh.all(Depth, services=["orders"], limit=3, timeout_s=1.5)
    assert (result.coordinator, result.ended, [one.answer.depth for one in result.each]) == ("c1", Ended.COMPLETE, [4])
    assert msgspec.json.decode(crowd.asked[-1].data) == {
        "services": ["orders"],
        "limit": 3,
        "each": True,
        "timeout_ms": 1500,
        "chunks": True,
    }


async def test_a_coordinator_that_declines_is_an_error_of_ours() -> None:
    crowd, mesh = await mesh_with()
    declined = Reply(
        v=1,
        service="mesh",
        instance="c1",
        kind="health",
        status=Status.DECLINED,
        problem=Problem(code=404, error="unknown target"),
    )
    await crowd.on("diag.mesh.health", lambda _: [encode(declined)])
    with pytest.raises(Declined):
        await mesh.mesh(Health)


async def test_single_replies_that_did_not_fit_are_asked_for_directly() -> None:
    crowd, mesh = await mesh_with("i1", "i22")
    here = directory(
        InstanceEntry(instance="i1", state=InstanceState.LIVE), InstanceEntry(instance="i22", state=InstanceState.LIVE)
    )
    await coordinated(crowd, here, MeshAnswer(of="depth", expected=2, answered=2, each=None))
    result = await mesh.all(Depth)
    assert sorted(one.answer.depth for one in result.each) == [2, 3]
    assert (result.coordinator, result.answer.fields["depth"].max) == ("", 3)


async def test_without_a_coordinator_the_instances_are_asked_and_that_is_said() -> None:
    _, mesh = await mesh_with("i1", "i22")
    began = time.monotonic()
    result = await mesh.mesh(Depth, timeout_s=5)
    assert time.monotonic() - began < 4
    assert (result.answer.answered, result.answer.fields["depth"].median, result.ended) == (2, 2.5, Ended.COMPLETE)
    assert result.answer.notes[0].startswith("no coordinator answered")
    assert result.each == ()


async def test_without_a_coordinator_services_and_instances_can_be_named() -> None:
    crowd, mesh = await mesh_with("i1", "i22")
    by_service = await mesh.all(Depth, services=["orders"], timeout_s=5)
    assert len(by_service.each) == 2
    one = await mesh.all(Depth, services=["orders"], instances=["orders/i22"], timeout_s=5)
    assert [heard.where for heard in one.each] == ["orders/i22"]
    crowd.asked.clear()
    other = await mesh.all(Depth, instances=["i1"], timeout_s=5)
    assert [heard.where for heard in other.each] == ["orders/i1"]
    assert {message.subject for message in crowd.asked} == {"diag.all.depth", "diag.orders.depth.i1"}


async def test_nobody_at_all_is_an_empty_sum_at_once() -> None:
    mesh = Mesh(MemoryServer().bus())
    result = await asyncio.wait_for(mesh.mesh(Depth, timeout_s=10), 2)
    assert (result.answer.expected, result.answer.answered, result.ended) == (0, 0, Ended.COMPLETE)


async def test_a_stream_knows_who_is_missing_from_the_directory() -> None:
    crowd, mesh = await mesh_with("i1")
    await crowd.on("$SYS.REQ.ACCOUNT.PING.CONNZ", lambda _: [connz_reply("diag/orders/i1")])
    here = directory(
        InstanceEntry(instance="i1", state=InstanceState.LIVE, server="memory"),
        InstanceEntry(instance="gone", state=InstanceState.NOT_CONNECTED, server="memory"),
    )
    await coordinated(crowd, here)
    stream = mesh.stream(Depth, timeout_s=5)
    with pytest.raises(DiagmeshError, match="not ended"):
        _ = stream.ended
    assert [heard.answer.depth async for heard in stream] == [2]
    assert (stream.ended, stream.unexpected) == (Ended.COMPLETE, ())
    (silent,) = stream.silent
    assert (silent.instance, silent.reason.partition(":")[0]) == ("gone", "not connected")


async def test_a_stream_selects_by_label() -> None:
    crowd, mesh = await mesh_with("i1", "i22")
    here = directory(
        InstanceEntry(instance="i1", state=InstanceState.LIVE, labels={"zone": "a"}),
        InstanceEntry(instance="i22", state=InstanceState.LIVE, labels={"zone": "b"}),
    )
    await coordinated(crowd, here)
    assert [heard.where async for heard in mesh.stream(Depth, labels={"zone": "b"})] == ["orders/i22"]


async def test_a_stream_that_means_nobody_is_refused_as_the_coordinator_refuses_it() -> None:
    crowd, mesh = await mesh_with("i1")
    await coordinated(crowd, directory(InstanceEntry(instance="i1", state=InstanceState.LIVE, labels={"zone": "a"})))
    for selection, says in (
        ({"services": ["ordres"]}, "no such service: ordres"),
        ({"instances": ["i9"]}, "no such instance in this selection: i9"),
        ({"labels": {"zone": "z"}}, "nobody has zone=z"),
    ):
        with pytest.raises(Declined) as caught:
            _ = [heard async for heard in mesh.stream(Depth, **selection)]
        assert (caught.value.code, caught.value.detail) == (404, says)


async def test_a_stream_counts_declared_replicas_that_nobody_saw() -> None:
    crowd, mesh = await mesh_with("i1")
    here = (InstanceEntry(instance="i1", state=InstanceState.LIVE),)
    entry = ServiceEntry(service="orders", instances=here, declared=3, lacking=2)
    await coordinated(crowd, Services(services=(entry,)))
    stream = mesh.stream(Depth)
    assert [heard.where async for heard in stream] == ["orders/i1"]
    assert (stream.result.expected, len(stream.silent)) == (3, 2)
    assert {one.reason for one in stream.silent} == {
        "not connected: 2 of 3 declared replicas are missing (never heard of, left, or forgotten)"
    }


async def test_a_stream_by_a_directory_that_is_warming_finds_the_others_and_says_so() -> None:
    crowd, mesh = await mesh_with("i1", "i22")
    here = (InstanceEntry(instance="i1", state=InstanceState.LIVE),)
    entry = ServiceEntry(service="orders", instances=here)
    await coordinated(crowd, Services(services=(entry,), ended=Ended.WARMING))
    stream = mesh.stream(Depth, timeout_s=5)
    assert sorted([heard.where async for heard in stream]) == ["orders/i1", "orders/i22"]
    assert stream.ended is Ended.WARMING
    # A name that is not known yet is no mistake of the asker while nobody knows who is there.
    unknown = mesh.stream(Depth, services=["nobody"], timeout_s=5)
    assert [heard.where async for heard in unknown] == []
    assert unknown.ended is Ended.WARMING


async def test_the_lost_of_the_directory_are_asked_but_not_waited_for() -> None:
    crowd, mesh = await mesh_with("i1")
    here = directory(
        InstanceEntry(instance="i1", state=InstanceState.LIVE),
        InstanceEntry(instance="hung", state=InstanceState.SILENT),
    )
    await coordinated(crowd, here)
    stream = mesh.stream(Depth, timeout_s=10)
    began = time.monotonic()
    assert [heard.where async for heard in stream] == ["orders/i1"]
    assert time.monotonic() - began < 5
    assert (stream.ended, [one.instance for one in stream.silent]) == (Ended.COMPLETE, ["hung"])


async def test_labels_without_a_coordinator_are_refused_not_ignored() -> None:
    crowd, mesh = await mesh_with("i1")
    with pytest.raises(Unavailable, match="labels") as caught:
        await mesh.mesh(Depth, labels={"zone": "a"})
    assert "coordinator" in caught.value.detail
    with pytest.raises(Unavailable, match="labels"):
        _ = [heard async for heard in mesh.stream(Depth, services=["orders"], labels={"zone": "a"})]
    assert crowd.asked == [], "nobody is asked what was meant for some"


@pytest.mark.parametrize("field", ["timeout_ms", "detail", "nonsense"])
async def test_what_selects_nobody_is_no_selection(field: str) -> None:
    _, mesh = await mesh_with("i1")
    selection: dict[str, Any] = {field: "full"}
    with pytest.raises(Declined, match=field):
        await mesh.mesh(Depth, **selection)


@pytest.mark.parametrize("name", ["all", "mesh", "*"])
async def test_who_selects_everybody_by_a_name_is_told_how_to_ask_everybody(name: str) -> None:
    _, mesh = await mesh_with("i1")
    for asking in (mesh.mesh(Depth, services=[name]), mesh.all(Depth, services=[name])):
        with pytest.raises(Declined) as caught:
            await asking
        assert caught.value.hint == "all instances of every service: leave services empty"
        assert "choose another name" not in caught.value.detail


async def test_a_reply_of_another_kind_is_not_taken_for_an_answer() -> None:
    crowd = Crowd()
    await crowd.on("diag.orders.health.i1", lambda _: [encode(reply(kind="no.such", answer={"state": "up"}))])
    await crowd.on("diag.mesh.health", lambda _: [sums(MeshAnswer(of="health", expected=0, answered=0), "resources")])
    mesh = Mesh(crowd.server.bus())
    with pytest.raises(Unreadable, match=r"kind 'no\.such', not 'health'"):
        await mesh.one(Health, "orders", instance="i1")
    with pytest.raises(Unreadable, match="kind 'resources', not 'health'"):
        await mesh.mesh(Health)


async def test_forget_is_signed_for_each_coordinator_and_every_outcome_is_told(tmp_path: Path) -> None:
    crowd, mesh = await mesh_with()
    seed = tmp_path / "operator.nk"
    write_seed(seed, generate())
    coordinators = (CoordinatorEntry(instance="c1", boot="b1"), CoordinatorEntry(instance="c2", boot="b2"))
    await coordinated(crowd, Services(coordinators=coordinators))
    closed = Reply(
        v=1,
        service="mesh",
        instance="c1",
        kind="forget",
        status=Status.DECLINED,
        problem=Problem(code=403, error="not allowed", detail="control is closed"),
    )

    def refuse(message: Message) -> list[bytes]:
        assert message.headers is not None
        assert message.headers["Diag-Auth"].startswith("U")
        return [encode(closed)]

    await crowd.on("diagctl.mesh.forget.c1", refuse)
    first, second = await mesh.forget("orders", "i1", seed_file=seed)
    assert first.problem is not None
    assert (first.problem.detail, first.reply.status) == ("control is closed", Status.DECLINED)
    assert second.problem is not None
    assert (second.where, second.reply.status) == ("mesh/c2", Status.SILENT)
    assert "nobody listens" in second.problem.detail


async def test_forget_without_a_coordinator_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoResponders):
        await Mesh(MemoryServer().bus()).forget("orders", seed_file=tmp_path / "none")


async def test_close_closes_the_connection() -> None:
    _, mesh = await mesh_with("i1")
    await mesh.close()
    with pytest.raises(NotConnected):
        await mesh.one(Health, "orders")
