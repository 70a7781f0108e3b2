"""Switches of the Go demo, each named by its rule and by no other, until it is taken back."""

import asyncio
from collections.abc import Iterator
from typing import Final

import pytest

from diagmesh.contract.findings import Severity
from diagmesh.diagnose import Diagnosis
from diagmesh.settings import GoSettings, ProbeSettings, RuleSettings
from support.godemo import GoDemo, GoService, build
from support.golang import Go
from support.natsserver import NatsServer
from support.quota import cpu_group, join
from support.ruling import found, verdict, watched


@pytest.fixture(scope="module")
def demo(go: Go, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoDemo]:
    with (
        NatsServer(tmp_path_factory.mktemp("nats"), jetstream=True) as server,
        GoDemo(build(go), server.url, tmp_path_factory.mktemp("demo")) as demo,
    ):
        yield demo


@pytest.fixture(scope="module")
def payments(demo: GoDemo) -> GoService:
    service = demo.service("payments")
    demo.connected(service)
    return service


@pytest.mark.parametrize("fault", ["not-ready", "hold-lock", "deadlock"])
async def test_it_says_itself_that_it_is_not_ready(payments: GoService, fault: str) -> None:
    probe = ProbeSettings(name="ready", http=f"http://127.0.0.1:{payments.port}/healthz", timeout_s=4)
    async with watched(pid=payments.process.pid, probes=[probe]) as it:
        await it.until()
        await asyncio.to_thread(payments.turn, fault)
        # Whoever is busy may be late before it says so.
        await it.until("PROC-006", also=lambda said: "probe ready: code 503" in found(said, "PROC-006").title)
        await asyncio.to_thread(payments.turn, fault, on=False)
        await it.until()


async def test_threads_blocked_in_system_calls_pile_up(payments: GoService) -> None:
    settled = RuleSettings(code="RES-009", limits={"settled_s": 0.0})
    async with watched(settled, pid=payments.process.pid) as it:
        await it.samples(40)
        await asyncio.to_thread(payments.turn, "threads", amount=60)
        assert "more than usual" in found(await it.until("RES-009"), "RES-009").title
        await asyncio.to_thread(payments.turn, "threads", on=False)
        await it.until()


def named_by_whom(said: Diagnosis) -> bool:
    """The second heap profile follows a little later."""
    return "allocated in" in found(said, "GO-004").title


async def test_what_survives_garbage_collection_grows(payments: GoService) -> None:
    soon = RuleSettings(code="GO-004", limits={"least_over_s": 5.0, "error_s": 1.0})
    async with watched(soon, pid=payments.pid, go=payments.go) as it:
        await asyncio.to_thread(payments.turn, "leak-memory", amount=40, cap=4000)
        leaking = found(await it.until("GO-004", also=named_by_whom), "GO-004")
        assert leaking.title.startswith("live heap grows by ")
        assert " % of it allocated in harm.touched (memory.go:" in leaking.title
        assert leaking.severity is Severity.WARNING
        facts = {fact.what: fact.value for fact in leaking.evidence}
        assert facts["function"].endswith("internal/harm.touched")
        assert "/internal/harm/memory.go:" in facts["at"]
        await asyncio.to_thread(payments.turn, "leak-memory", on=False)
        await it.until()


CAUSES: Final[tuple[tuple[str, dict[str, str], int, str], ...]] = (
    ("small-heap", {}, 0, "its heap is small for what it allocates"),
    ("small-gogc", {"GOGC": "3"}, 50, "GOGC is small"),
    ("memory-limit", {"GOMEMLIMIT": "64MiB"}, 54, "its memory limit is nearly used"),
)


async def test_garbage_is_collected_too_often_each_for_its_cause(demo: GoDemo) -> None:
    services = [
        await asyncio.to_thread(demo.service, "payments", instance=name, environment=environment)
        for name, environment, _, _ in CAUSES
    ]
    async with asyncio.TaskGroup() as group:
        for service, (_, _, kept_mb, cause) in zip(services, CAUSES, strict=True):
            group.create_task(collected_too_often(service, kept_mb, cause))


async def collected_too_often(service: GoService, kept_mb: int, cause: str) -> None:
    # How much CPU this machine has left is no matter here; that it is the collector's is.
    any_use = RuleSettings(code="GO-005", limits={"share": 0.1, "least_cores": 0.0, "least_over_s": 3.0})
    quiet = RuleSettings(code="GO-004", limits={"grown_bytes": 1 << 30})
    try:
        async with watched(any_use, quiet, pid=service.pid, go=service.go) as it:
            if kept_mb:
                await asyncio.to_thread(service.turn, "leak-memory", amount=1000, cap=kept_mb)
            await asyncio.to_thread(service.turn, "allocate", amount=500)
            # The first look may come before the heap is filled, or right after a collection.
            await it.until("GO-005", also=lambda said: found(said, "GO-005").title.endswith(cause))
            await asyncio.to_thread(service.turn, "allocate", on=False)
            await it.until()
    finally:
        await asyncio.to_thread(service.program.stop)


async def test_gomaxprocs_is_far_above_the_quota(demo: GoDemo) -> None:
    service = await asyncio.to_thread(demo.service, "payments", instance="wide", environment={"GOMAXPROCS": "16"})
    try:
        async with watched(pid=service.pid, go=service.go) as it:
            await it.until()
            with cpu_group(1.0) as group:
                join(group, service.pid)
                finding = found(await it.until("GO-006"), "GO-006")
                assert finding.title == "GOMAXPROCS is 16 under a CPU quota of 1 cores"
                join(group.parent, service.pid)
                await it.until()
    finally:
        await asyncio.to_thread(service.program.stop)


async def test_a_go_that_knows_its_quota_takes_no_more_than_that(demo: GoDemo) -> None:
    service = await asyncio.to_thread(demo.service, "payments", instance="fits")
    pprof_alone = GoSettings(pprof=service.go.pprof)
    try:
        async with watched(pid=service.pid, go=pprof_alone) as it:
            with cpu_group(1.0) as group:
                join(group, service.pid)
                await it.until(also=lambda said: verdict(said, "GO-006").judged == ("orders/i1",))
                join(group.parent, service.pid)
    finally:
        await asyncio.to_thread(service.program.stop)
