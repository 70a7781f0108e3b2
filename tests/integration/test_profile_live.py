"""`profile` of a real Go service over NATS: by any client, one at a time, and a sidecar that pays nothing before."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from diagmesh.bus.nats import NatsBus
from diagmesh.settings import NatsSettings
from support.godemo import GoDemo, GoService, build
from support.golang import Go
from support.natsserver import NatsServer
from support.programs import Program, wait_until


@pytest.fixture(scope="module")
def payments(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoService]:
    with (
        NatsServer(tmp_path_factory.mktemp("nats"), jetstream=True) as server,
        GoDemo(build(go), server.url, tmp_path_factory.mktemp("demo")) as demo,
    ):
        service = demo.service("payments")
        demo.connected(service)
        yield service


@pytest.fixture(scope="module")
def sidecar(payments: GoService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("sidecar")
    file = folder / "sidecar.toml"
    file.write_text(
        f"""[nats]
        url = "{payments.url}"
        [[targets]]
        service = "payments"
        instance = "i1"
        pid = {payments.pid}
        [targets.go]
        pprof = "{payments.go.pprof}"
        """,
        encoding="utf-8",
    )
    with Program(["python", "-m", "diagmesh_agents", "--config", file], folder / "log") as program:
        wait_until(lambda: "serving payments/i1" in program.log_text(), 30, "the sidecar serves")
        yield program


@pytest.fixture
async def bus(payments: GoService, sidecar: Program) -> AsyncIterator[NatsBus]:
    bus = await NatsBus.connect(NatsSettings(url=payments.url), "test")
    yield bus
    await bus.close()


async def ask(bus: NatsBus, **question: Any) -> dict[str, Any]:
    message = await bus.request("diag.payments.profile", json.dumps(question).encode(), timeout_s=40)
    told: dict[str, Any] = json.loads(message.data)
    return told


async def test_before_anybody_asks_the_sidecar_knows_no_protobuf(sidecar: Program, bus: NatsBus) -> None:
    await bus.request("diag.payments.health", timeout_s=5)
    maps = Path(f"/proc/{sidecar.pid}/maps").read_text()
    assert "google/_upb" not in maps
    await ask(bus, type="heap")
    assert "google/_upb" not in Path(f"/proc/{sidecar.pid}/maps").read_text(), "nor afterwards: another process reads"
    assert not psutil.Process(sidecar.pid).children()


async def test_heap_is_a_small_useful_answer(bus: NatsBus) -> None:
    reply = await ask(bus, type="heap")
    assert reply["status"] == "answered"
    (heap,) = reply["answer"]["counted"]
    assert (heap["sample"], heap["unit"]) == ("inuse_space", "bytes")
    assert heap["total"] == reply["answer"]["heap_bytes"] > 0
    assert len(heap["rows"]) <= 10
    assert len(json.dumps(reply)) < 16 << 10
    assert "heap written out" in reply["answer"]["cost"]["words"]


async def test_a_survey_names_who_spins(bus: NatsBus, payments: GoService) -> None:
    await asyncio.to_thread(payments.turn, "spin", amount=1)
    try:
        async with asyncio.timeout(60):
            # A busy machine may leave it less than it would use in the one second that is sampled.
            while (reply := await ask(bus))["answer"]["cpu_cores"] <= 0.2:
                await asyncio.sleep(0.1)
    finally:
        await asyncio.to_thread(payments.turn, "spin", on=False)
    cpu = reply["answer"]["counted"][0]
    assert cpu["blamed"][0]["function"] == "diagmesh.test/demo/internal/harm.compute"
    assert cpu["blamed"][0]["file"].endswith("internal/harm/running.go")
    assert cpu["blamed"][0]["line"] > 40
    assert reply["answer"]["cpu_cores"] > 0.2
    assert reply["answer"]["cost"]["sampled_s"] == 1
    assert [one["type"] for one in reply["answer"]["counted"]] == ["cpu", "heap", "allocs", "mutex"]


async def test_the_file_comes_as_it_is(bus: NatsBus) -> None:
    reply = await ask(bus, type="goroutine", raw=True)
    (raw,) = reply["answer"]["raw"]
    data = base64.b64decode(raw["data"])
    assert len(data) == raw["size_bytes"]
    assert gzip.decompress(data)


async def test_two_cpu_profiles_at_once_are_one_too_many(bus: NatsBus) -> None:
    first = asyncio.create_task(ask(bus, type="cpu", seconds=5))
    await asyncio.sleep(1.0)
    second = await ask(bus, type="cpu", seconds=2)
    assert second["problem"]["code"] == 429
    assert "a cpu profile of 5 s" in second["problem"]["detail"]
    assert (await first)["status"] == "answered"


async def test_the_sidecar_answers_meanwhile(bus: NatsBus) -> None:
    first = asyncio.create_task(ask(bus, type="cpu", seconds=6))
    await asyncio.sleep(0.3)
    looks = [json.loads((await bus.request("diag.payments.health", timeout_s=5)).data) for _ in range(20)]
    assert {one["status"] for one in looks} == {"answered"}
    assert not first.done()
    assert (await first)["status"] == "answered"


async def test_a_leak_is_seen_against_a_baseline(bus: NatsBus, payments: GoService) -> None:
    await ask(bus, type="heap", keep="baseline")
    await asyncio.to_thread(payments.turn, "leak-memory", amount=200, cap=60)
    await asyncio.to_thread(payments.turn, "allocate", amount=50)  # a heap profile is that of the last collection
    try:
        async with asyncio.timeout(30):
            while True:
                reply = await ask(bus, type="heap", base="baseline")
                rows = reply["answer"]["counted"][0].get("blamed", [])
                if rows and rows[0]["flat"] > 40 << 20:
                    break
                await asyncio.sleep(0.3)
    finally:
        await asyncio.to_thread(payments.turn, "leak-memory", on=False)
        await asyncio.to_thread(payments.turn, "allocate", on=False)
    assert rows[0]["function"].startswith("diagmesh.test/demo/internal/harm.")
    assert rows[0]["file"].endswith("internal/harm/memory.go")


@pytest.mark.parametrize(
    ("question", "code", "says"),
    [
        ({"type": "memory"}, 400, "type"),
        ({"type": "cpu", "seconds": 31}, 400, "seconds"),
        ({"type": "cpu", "seconds": 20, "timeout_ms": 3000}, 400, "do not fit"),
        ({"type": "heap", "focus": "("}, 400, "focus"),
    ],
)
async def test_a_wrong_question_is_declined(bus: NatsBus, question: dict[str, Any], code: int, says: str) -> None:
    problem = (await ask(bus, **question))["problem"]
    assert problem["code"] == code
    assert says in problem["detail"]
