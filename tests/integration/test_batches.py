"""Who is asked, and how many at a time, as the instances themselves see it; labels and batches on a real server."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from diagmesh.client import Mesh
from diagmesh.contract.answers.health import Health
from diagmesh.contract.mesh import Ended
from diagmesh.errors import Declined, NoResponders
from diagmesh.expected import Key
from support.natsserver import NatsServer
from support.programs import Program
from support.recording import Looks, recording

LABELS: Final = {
    Key(service, f"i{number}"): {"zone": "ab"[number % 2]}
    for service, count in (("orders", 6), ("payments", 4), ("stock", 1))
    for number in range(count)
}
GENEROUS_S: Final = 15.0
_CLI: Final = Path(sys.executable).with_name("diagmesh")


class Calm:
    """A server, a coordinator in its own process, and instances that note how they are asked."""

    def __init__(self, url: str, looks: Looks, mesh: Mesh) -> None:
        self.url, self.looks, self.mesh = url, looks, mesh


@pytest.fixture
async def calm(tmp_path: Path) -> AsyncIterator[Calm]:
    looks = Looks()
    command = ["python", "-m", "diagmesh_coordinator", "--instance", "c1", "--heartbeat", "0.5"]
    with NatsServer(tmp_path) as server:
        async with recording(server.url, looks, LABELS), Mesh.connect(url=server.url) as mesh:
            with Program([*command, "--nats", server.url], tmp_path):
                await until_warm(mesh)
                looks.clear()
                yield Calm(server.url, looks, mesh)


async def until_warm(mesh: Mesh) -> None:
    async with asyncio.timeout(2 * GENEROUS_S):
        while True:
            try:
                services = await mesh.services()
                if services.live == len(LABELS) and services.ended is Ended.COMPLETE:
                    return
            except NoResponders:
                pass
            await asyncio.sleep(0.1)


async def diagmesh(calm: Calm, *words: str, interrupt_after: int = 0) -> tuple[int, Any]:
    """Run the command; with ``interrupt_after`` Ctrl-C comes when so many looks were begun."""
    arguments = [*words, "--nats", calm.url, "--json"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(_CLI, *arguments, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(4 * GENEROUS_S):
            talking = asyncio.create_task(process.communicate())
            if interrupt_after:
                while len(calm.looks.begun) < interrupt_after:
                    await asyncio.sleep(0.01)
                process.send_signal(signal.SIGINT)
            out, _ = await talking
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, json.loads(out)


async def test_batches_as_the_instances_see_them(calm: Calm) -> None:
    result = await calm.mesh.all(Health, batch=4, pause_ms=20, timeout_s=GENEROUS_S)
    assert (result.ended, result.coordinator, len(result.each)) == (Ended.COMPLETE, "c1", len(LABELS))
    assert result.answer.not_asked == ()
    assert sorted(look.key for look in calm.looks.begun) == sorted(LABELS)
    assert calm.looks.most_at_once <= 4
    assert calm.looks.most_of_a_service <= 3, "half of the six of orders"
    first = [look.key for look in calm.looks.begun]
    assert {key.service for key in first[:4]} >= {"orders", "payments"}, "spread over the services"
    calm.looks.clear()
    await calm.mesh.all(Health, timeout_s=GENEROUS_S)
    assert calm.looks.most_at_once > 4, "without batches all at once, or this test could not fail"


async def test_batches_of_a_selection_by_labels_ask_nobody_else(calm: Calm) -> None:
    result = await calm.mesh.all(Health, batch=1, labels="zone=b,!canary", services=["orders"], timeout_s=GENEROUS_S)
    chosen = sorted(key for key, labels in LABELS.items() if key.service == "orders" and labels["zone"] == "b")
    assert [heard.where for heard in result.each] == [f"orders/{key.instance}" for key in chosen]
    assert [look.key for look in calm.looks.begun] == chosen, "in this order, and nobody else"
    assert calm.looks.most_at_once == 1
    assert {look.subject for look in calm.looks.begun} == {f"diag.orders.health.{key.instance}" for key in chosen}


async def test_one_that_hangs_is_given_up_and_the_others_are_asked(calm: Calm) -> None:
    calm.looks.frozen = Key("orders", "i0")
    result = await calm.mesh.all(Health, batch=2, timeout_s=8.0)
    assert len(calm.looks.begun) == len(LABELS)
    assert calm.looks.most_at_once <= 2
    by_status = result.answer.by_status
    assert by_status == {"answered": len(LABELS) - 1, "late": 1}, "its own sidecar still says that it is late"
    assert result.answer.not_asked == ()


async def test_what_cannot_fit_is_refused_before_anybody_is_asked(calm: Calm) -> None:
    with pytest.raises(Declined) as caught:
        await calm.mesh.mesh(Health, batch=1, pause_ms=500, timeout_s=2.0)
    assert "11 batches with 500 ms between them" in caught.value.detail
    assert calm.looks.begun == []
    needed_s = int(caught.value.hint.split()[1]) / 1000
    result = await calm.mesh.mesh(Health, batch=1, pause_ms=500, timeout_s=needed_s)
    assert result.answer.not_asked == ()
    with pytest.raises(Declined, match="no pause without batch"):
        await calm.mesh.mesh(Health, pause_ms=500)


async def test_the_command_goes_carefully_and_keeps_what_came_at_ctrl_c(calm: Calm) -> None:
    code, reply = await diagmesh(calm, "ask", "health", "--batch", "3", "--pause", "10ms", "--timeout", "20")
    assert (code, reply["answer"]["answered"], reply["answer"]["ended"]) == (0, len(LABELS), "complete")
    assert calm.looks.most_at_once <= 3
    calm.looks.clear()
    words = ("ask", "health", "orders", "--batch", "1", "--pause", "20s", "--timeout", "300")
    code, reply = await diagmesh(calm, *words, interrupt_after=1)
    answer = reply["answer"]
    assert (code, answer["ended"], answer["expected"], answer["silent"]) == (130, "interrupted", 6, [])
    assert [one["instance"] for one in answer["not_asked"]] == ["i1", "i2", "i3", "i4", "i5"]
    assert [look.key.instance for look in calm.looks.begun] == ["i0"], "the asking ended with the command"


async def test_a_careful_check(calm: Calm) -> None:
    words = ("check", "--batch", "2", "--pause", "5ms", "--code", "PROC", "--label", "zone=b")
    code, reply = await diagmesh(calm, *words, "--timeout", "20")
    chosen = sum(labels["zone"] == "b" for labels in LABELS.values())
    assert reply["answer"]["expected"] == chosen, (code, reply)
    assert (reply["answer"]["not_asked"], reply["answer"]["silent"]) == ([], [])
    assert len(calm.looks.begun) == chosen
    assert calm.looks.most_at_once <= 2
    code, reply = await diagmesh(calm, *words, "--timeout", "0.5")
    assert (code, reply["problem"]["code"]) == (2, 400)
    needed_s = int(reply["problem"]["hint"].split()[1]) / 1000
    code, reply = await diagmesh(calm, *words, "--timeout", str(needed_s))
    assert reply.get("problem") is None
    assert (await diagmesh(calm, *words, "--direct"))[0] == 64


async def test_labels_on_the_command_line(calm: Calm) -> None:
    code, reply = await diagmesh(calm, "ask", "health", "--each", "--label", "zone=b", "--timeout", "10")
    assert code == 0
    assert {one["instance"] for one in reply["answer"]["each"]} == {"i1", "i3", "i5"}
    code, reply = await diagmesh(calm, "services", "--label", "zone in (b)", "--label", "!canary")
    assert (code, reply["answer"]["live"]) == (0, 5)
    code, reply = await diagmesh(calm, "status", "--label", "zone=b", "--timeout", "10")
    assert (code, reply["health"]["answer"]["expected"]) == (0, 5)
    code, reply = await diagmesh(calm, "check", "--label", "zone=z")
    assert (code, reply["problem"]["code"], reply["problem"]["detail"]) == (2, 404, "nobody has zone=z")
    code, reply = await diagmesh(calm, "ask", "health", "--label", "zone=z")
    assert (code, reply["error"]["code"], reply["error"]["hint"]) == (2, 404, "zone: a, b")
    code, reply = await diagmesh(calm, "status", "--label", "zone = a = b")
    assert (code, reply["error"]["code"]) == (64, 400)


async def test_a_watch_of_those_with_a_label(calm: Calm) -> None:
    chosen = {"/".join(key) for key, labels in LABELS.items() if labels["zone"] == "b"}
    words = ("ask", "health", "--label", "zone in (b),!canary", "--watch", "--every", "0.2", "--count", "2")
    pipe = asyncio.subprocess.PIPE
    for more in ((), ("--json",)):
        process = await asyncio.create_subprocess_exec(
            _CLI, *words, *more, "--nats", calm.url, stdout=pipe, stderr=pipe
        )
        async with asyncio.timeout(4 * GENEROUS_S):
            out, err = await process.communicate()
        assert (process.returncode, err) == (0, b"")
        lines = out.decode().splitlines()
        if more:
            looks = [
                [f"{one['service']}/{one['instance']}" for one in json.loads(line)["answer"]["each"]] for line in lines
            ]
            assert [set(each) for each in looks] == [chosen] * 2
        else:
            assert {line.split()[1] for line in lines} == chosen
            assert max(map(len, lines)) <= 80
    assert {"/".join(look.key) for look in calm.looks.begun} == chosen


async def test_without_a_coordinator_batches_ask_whoever_is_found(tmp_path: Path) -> None:
    looks = Looks()
    with NatsServer(tmp_path) as server:
        async with recording(server.url, looks, LABELS), Mesh.connect(url=server.url) as mesh:
            result = await mesh.all(Health, services=["orders"], batch=2, timeout_s=GENEROUS_S)
            assert (len(result.each), result.ended) == (6, Ended.COMPLETE)
            by_name = [look for look in looks.begun if look.subject.count(".") == 3]
            assert {look.key.service for look in by_name} == {"orders"}
            assert len(by_name) == 6
