"""Replies and sums as the views get them, without a mesh."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from diagmesh.client import Heard, MeshResult, answer_type_of
from diagmesh.contract.answers.cgroup import Bound, Cgroup, CgroupMemory, CgroupVersion
from diagmesh.contract.answers.health import Check, ExitReason, Health, LastExit, State, Verdict
from diagmesh.contract.answers.resources import (
    Cpu,
    Descriptors,
    Memory,
    ProcessPart,
    ProcessState,
    Resources,
    Threads,
    ToLimit,
    Trend,
)
from diagmesh.contract.answers.route import Hop, Link, Route, RouteState, Step, StepKind
from diagmesh.contract.answers.runtime import (
    Collector,
    Heap,
    Known,
    Limit,
    Past,
    Pauses,
    Rates,
    Runtime,
    Scheduler,
)
from diagmesh.contract.answers.streams import (
    AdvisorySeen,
    Cause,
    ConsumerState,
    PoisonMessage,
    Replica,
    Streams,
    StreamState,
    Totals,
)
from diagmesh.contract.answers.surroundings import Disks, Sockets
from diagmesh.contract.codec import encode
from diagmesh.contract.directory import (
    CoordinatorEntry,
    InstanceEntry,
    InstanceState,
    Registry,
    RegistryState,
    ServiceEntry,
    Services,
)
from diagmesh.contract.findings import Advice, Fact, Finding, FindingClass, Severity
from diagmesh.contract.mesh import Ended, Field, MeshAnswer, NotAsked, Silent, Unexpected, Worst
from diagmesh.contract.verdicts import Check as MeshCheck
from diagmesh.contract.verdicts import NotJudged, RuleVerdict, Suppressed
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.contract.wire import Blind, Problem, Reply, Status

__all__ = [
    "CHECK",
    "DIRECTORY",
    "DOWN",
    "FINDING",
    "LAUNCHED",
    "NOT_ASKED",
    "NOW",
    "NO_ROUTE",
    "PROBLEM",
    "ROUTE",
    "RUNS",
    "SILENT",
    "STREAMS",
    "UNKEPT",
    "UP",
    "USED",
    "directory",
    "earlier",
    "heard",
    "result",
]


NOW: Final = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
"""When the replies are looked at; views that tell how long ago something was are given it as their clock."""


def earlier(seconds: float) -> datetime:
    """A moment so long before `NOW`."""
    return NOW - timedelta(seconds=seconds)


def heard(answer: Any = None, service: str = "orders", instance: str = "i1", **fields: Any) -> Heard[Any]:
    """A reply with an answer, or with whatever the fields say."""
    raw: Any = msgspec.Raw(encode(answer)) if answer is not None else msgspec.UNSET
    base = {"v": 1, "service": service, "instance": instance, "host": "node-7", "kind": "health", "took_ms": 3.1}
    reply = Reply(**{**base, "status": Status.ANSWERED, "answer": raw, **fields})
    return Heard(reply, answer_type_of(reply.kind))


UP: Final = Health(
    state=State.UP,
    reason="the process is there and 2 of 2 probes pass",
    restarts_seen=0,
    pid=4711,
    process_state=ProcessState.SLEEPING,
    uptime_s=7525.0,
    checks=(
        Check(name="process", kind="process", verdict=Verdict.PASS, required=True, target="process 4711"),
        Check(
            name="healthz",
            kind="http",
            verdict=Verdict.PASS,
            required=False,
            target="http://127.0.0.1:8080/healthz",
            took_ms=1.24,
            status_code=200,
        ),
    ),
)
DOWN: Final = Health(
    state=State.DOWN,
    reason="process 4711 has ended",
    restarts_seen=3,
    last_exit=LastExit(reason=ExitReason.UNKNOWN, detail="the sidecar is not its parent", last_seen=earlier(9_015)),
    checks=(
        Check(name="process", kind="process", verdict=Verdict.FAIL, required=True, reason="process 4711 has ended"),
        Check(name="a door with quite a long name", kind="tcp", verdict=Verdict.BLIND, required=True, age_s=4.0),
    ),
    blind=(Blind(what="nats probe", why="no connection into the application's account", fix="give target.nats"),),
)
LAUNCHED: Final = Health(
    state=State.DOWN,
    reason="it panicked: runtime error: index out of range [7] with length 3 (the service that was launched)",
    restarts_seen=1,
    last_exit=LastExit(
        reason=ExitReason.PANIC,
        detail="runtime error: index out of range [7] with length 3",
        last_seen=earlier(3),
        at=earlier(3),
        pid=4711,
        code=2,
        uptime_s=8.314,
        last_words="panic: runtime error: index out of range [7] with length 3\n\n"
        + "".join(f"main.step{number}()\n" for number in range(30)),
        unpassed_bytes=70_000,
        restarts=1,
        restart_at=NOW + timedelta(seconds=2),
    ),
    checks=(Check(name="process", kind="process", verdict=Verdict.FAIL, required=True, reason="it panicked"),),
)
USED: Final = Resources(
    process=ProcessPart(pid=4711, state=ProcessState.SLEEPING, started_at=earlier(7525), uptime_s=7525.0),
    cpu=Cpu(used_s=12.5, over_s=5.0, cores_used=0.254, allowed_cpus=2),
    memory=Memory(
        rss_bytes=30_000_000,
        pss_bytes=19_700_000,
        cgroup=CgroupMemory(
            bound=Bound.LIMITED, limit_bytes=64 * 1024**2, working_set_bytes=62 * 1024**2, share_of_limit=62 / 64
        ),
        trend=Trend(
            slope=17_476.0,
            slope_low=15_000.0,
            slope_high=20_000.0,
            over_s=600.0,
            samples=120,
            to_limit=ToLimit(limit="cgroup limit", headroom=2e6, earliest_s=100.0, likely_s=120.0, latest_s=140.0),
        ),
    ),
    descriptors=Descriptors(held=870, bound=Bound.LIMITED, soft_limit=1024, share_of_limit=870 / 1024),
    threads=Threads(count=9, usual=8),
    sockets=Sockets(total=14, established=9, close_wait=4),
    disks=Disks(fullest_share=0.153, fullest_at="/", count=1),
    cgroup=Cgroup(version=CgroupVersion.V2, path="/x", ancestors_visible=True),
    blind=(Blind(what="I/O", why="permission denied: another user", fix="run the sidecar as the same user"),),
)
RUNS: Final = Runtime(
    version="go1.26.8",
    goroutines=412,
    goroutines_trend=Trend(slope=3.1, slope_low=2.9, slope_high=3.3, over_s=30.0, samples=30),
    heap=Heap(
        live_bytes=52 * 1024**2,
        live_most_bytes=52 * 1024**2,
        in_use_bytes=60 * 1024**2,
        idle_bytes=9 * 1024**2,
        released_bytes=4 * 1024**2,
        objects=120_345,
        stacks_bytes=3 * 1024**2,
        runtime_bytes=70 * 1024**2,
        total_allocated_bytes=4 * 1024**3,
        allocated_bytes_per_s=215e6,
        trend=Trend(slope=17_476.0, slope_low=15_000.0, slope_high=20_000.0, over_s=30.0, samples=30),
    ),
    gc=Collector(
        cycles=648,
        forced=0,
        cycles_per_s=53.9,
        cpu_share=0.33,
        cpu_cores=0.036,
        available_share=0.018,
        available_share_ever=0.017,
        paused_share=0.02,
        pauses=Pauses(p50_ms=0.33, p99_ms=5.76, most_ms=15.2, count=256, over_s=4.7),
        target_bytes=60 * 1024**2,
        last_age_s=0.008,
        gogc_percent=100,
        off=False,
    ),
    scheduler=Scheduler(
        gomaxprocs=8,
        known=Known.ENVIRONMENT,
        bound=Bound.LIMITED,
        quota_cores=2.0,
        allowed_cpus=16,
        threads=19,
        threads_created=21,
        cores_used=0.11,
        throttled_share=0.02,
    ),
    memory=Limit(
        soft_bytes=75 * 1024**2,
        limited=True,
        used_bytes=70 * 1024**2,
        share_of_soft=70 / 75,
        hard_bytes=96 * 1024**2,
        headroom_bytes=20 * 1024**2,
        headroom_of="memory limit of the cgroup",
    ),
    rates=Rates(over_s=20.0, samples=30, watched_s=30.0),
    past=Past(
        every_s=1.0,
        goroutines=tuple(320 + 3 * number for number in range(30)),
        live_bytes=(None, *((50 * 1024**2) + 17_476 * number for number in range(29))),
        allocated_bytes_per_s=(None, *(2e8 + 1e7 * (number % 3) for number in range(29))),
        cycles_per_s=(None, *(50.0 + number % 5 for number in range(29))),
        gc_available_share=(None, *(0.018 for _ in range(29))),
    ),
    profiles=("allocs", "goroutine", "heap"),
    sources={
        "version": "build information",
        "goroutines": "pprof index",
        "heap": "expvar",
        "heap.live_bytes": "next target and GOGC",
        "gc": "expvar",
        "scheduler.gomaxprocs": "environment",
        "memory.soft_bytes": "environment",
    },
    blind=(Blind(what="Go page metrics", why="there is no page http://127.0.0.1:6060/metrics", fix="check metrics"),),
)
STREAMS: Final = Streams(
    worst=Cause.STALLED,
    totals=Totals(
        streams=2, consumers=3, pending=1290, ack_pending=33, redelivered=1, in_per_s=20.4, delivered_per_s=9.7
    ),
    streams=(
        StreamState(
            name="INVOICES",
            messages=990,
            bytes=1 << 20,
            max_messages=1000,
            full_share=0.99,
            full_of="messages",
            discard="new",
            first_age_s=86_400.0,
            in_per_s=0.0,
            leader="n1",
            replicas=(Replica(name="n2", current=True), Replica(name="n3", offline=True)),
        ),
        StreamState(name="ORDERS", messages=120_345, bytes=70 << 20, first_age_s=3600.0, in_per_s=20.4, leader="n2"),
    ),
    consumers=(
        ConsumerState(
            stream="ORDERS",
            name="inventory",
            cause=Cause.STALLED,
            pending=1250,
            ack_pending=32,
            max_ack_pending=32,
            delivered_per_s=0.0,
            redelivered_per_s=0.0,
            lost_in_s=240.0,
        ),
        ConsumerState(
            stream="INVOICES",
            name="mailer",
            cause=Cause.POISON,
            pending=40,
            ack_pending=1,
            delivered_per_s=9.7,
            redelivered_per_s=0.2,
            drain_s=12.0,
            redelivered=1,
            poison=(
                PoisonMessage(
                    seq=77, deliveries=5, age_s=33.0, given_up=True, subject="invoices.sent", head='{"total": "three"}'
                ),
            ),
        ),
        ConsumerState(stream="ORDERS", name="audit", delivered_per_s=0.0, redelivered_per_s=0.0),
    ),
    over_s=5.0,
    advisories=(AdvisorySeen(what="max_deliver", stream="INVOICES", consumer="mailer", age_s=33.0, count=2, seq=77),),
    listening_s=120.0,
    blind=(Blind(what="messages", why="not permitted", fix="allow the role of target.nats to read messages"),),
)
FINDING: Final = Finding(
    code="RES-003",
    severity=Severity.ERROR,
    class_=FindingClass.RESOURCE_EXHAUSTION,
    title="memory is near its limit",
    instances=("orders/i1",),
    advice=Advice(now=("raise the limit of the cgroup",)),
)
PROBLEM: Final = Problem(code=429, error="busy", detail="32 questions are in work", hint="ask again in a second")
SILENT: Final = (
    Silent(
        service="orders",
        instance="i2",
        reason="not connected: its sidecar is not connected to NATS; the service itself was not seen",
        last_seen=earlier(9_015),
    ),
    Silent(
        service="payments",
        instance="",
        reason="not connected: 1 of 2 declared replicas is missing (never heard of, left, or forgotten)",
    ),
)


NOT_ASKED: Final = (
    NotAsked(service="orders", instance="odd", reason="nobody knows whether it is meant: its labels are not known"),
    *(NotAsked(service="orders", instance=f"i{n}", reason="it was interrupted before") for n in range(2, 9)),
)


def result(
    *each: Heard[Any],
    kind: str = "health",
    silent: tuple[Silent, ...] = (),
    ended: Ended = Ended.COMPLETE,
    show_each: bool = True,
    **fields: Any,
) -> MeshResult[Any]:
    """A sum over these replies."""
    by_status: dict[str, int] = {}
    for one in each:
        by_status[one.reply.status.value] = by_status.get(one.reply.status.value, 0) + 1
    if silent:
        by_status["silent"] = len(silent)
    base = {"of": kind, "expected": len(each) + len(silent), "answered": len(each), "by_status": by_status}
    answer = MeshAnswer(**{**base, "silent": silent, "ended": ended, **fields})
    return MeshResult(answer=answer, each=tuple(each) if show_each else (), coordinator="c1")


def directory(*entries: ServiceEntry, **fields: Any) -> Services:
    """A directory of these services."""
    states = [one.state for entry in entries for one in entry.instances]
    live = sum(1 for state in states if state is InstanceState.LIVE)
    missing = len(states) - live + sum(entry.lacking for entry in entries)
    base = {"services": entries, "live": live, "missing": missing, "kinds": ("health", "resources")}
    coordinators = (CoordinatorEntry(instance="c1", boot="b", host="node-7", self=True),)
    return Services(**{**base, "coordinators": coordinators, **fields})


DIRECTORY: Final = directory(
    ServiceEntry(
        service="orders",
        instances=(
            InstanceEntry(
                instance="i1", state=InstanceState.LIVE, host="node-7", last_seen=earlier(3_615), labels={"zone": "a"}
            ),
            InstanceEntry(
                instance="i2",
                state=InstanceState.NOT_CONNECTED,
                reason="its sidecar is not connected to NATS",
                host="node-8",
                last_seen=earlier(9_015),
            ),
        ),
    ),
    ServiceEntry(service="payments", declared=2, lacking=2),
    problems=("orders/i1: two processes under one name (boots a and b)",),
)
UNKEPT: Final = msgspec.structs.replace(
    DIRECTORY,
    problems=(),
    registry=Registry(
        state=RegistryState.DEGRADED,
        reason="the bucket is full: maximum bytes exceeded (10077)",
        since=earlier(60),
        pending=2,
        notes=("member.orders.i9 cannot be read: JSON is malformed: invalid character (byte 0)",),
    ),
)
UNEXPECTED: Final = (Unexpected(service="orders", instance="i9", reason="it came where only payments answers"),)
WORST: Final = Worst(
    service="orders", instance="i1", status=Status.ANSWERED, verdict="down", reason="process 4711 has ended"
)
STATE: Final = Field(n=2, counts={"up": 1, "down": 1}, worst="down", worst_at=("orders/i1",))


def _rule(number: int, verdict: Judged = Judged.CLEAR, *blind: tuple[str, str], reason: str = "") -> RuleVerdict:
    missing = tuple(NotJudged(instance=name, why=why) for name, why in blind)
    return RuleVerdict(
        code=f"RES-00{number}", title=f"rule {number}", verdict=verdict, judged=("orders/i1",), not_judged=missing,
        reason=reason,
    )  # fmt: skip


_UNSEEN: Final = ("payments/i1", "not connected: its sidecar is not connected; the service itself was not seen")
CHECK: Final = MeshCheck(
    findings=(
        Finding(
            code="PROC-002",
            severity=Severity.CRITICAL,
            class_=FindingClass.CRASH,
            title="process 4711 is stopped by a signal",
            instances=("orders/i1",),
            evidence=(Fact(what="process state", value="stopped"), Fact(what="pid", value=4711)),
            advice=Advice(now=("let it run on: kill -CONT 4711", "see who stopped it"), soon=("find out why",)),
        ),
        Finding(
            code="RES-001",
            severity=Severity.INFO,
            class_=FindingClass.RESOURCE_EXHAUSTION,
            title="rule 1: 12 instances",
            instances=tuple(f"orders/a-long-pod-name-{number}" for number in range(12)),
            evidence=tuple(
                Fact(what="memory", value=0.97, unit="share", limit=0.9, at=f"orders/a-long-pod-name-{number}")
                for number in range(12)
            ),
        ),
    ),
    verdicts=(
        RuleVerdict(code="PROC-002", title="Process is stopped", verdict=Judged.FOUND, not_judged=()),
        _rule(1, Judged.FOUND),
        _rule(2, Judged.BLIND, _UNSEEN),
        _rule(3, Judged.BLIND, _UNSEEN, ("orders/i2", "its answer has no memory limit")),
        _rule(4, Judged.BROKEN, reason="RuntimeError: on purpose"),
        _rule(5, Judged.BLIND, reason="nobody answered what it reads"),
        _rule(6),
        _rule(7),
        _rule(8, Judged.FOUND),
    ),
    suppressed=(Suppressed(code="RES-008", instances=("orders/i1",), why="it is a load test"),),
    asked=("health", "resources"),
    expected=14,
    silent=SILENT,
    ended=Ended.TIMEOUT,
    notes=("orders/i1: two processes under one name (boots a and b)",),
)

ROUTE: Final = Route(
    subject="orders.new",
    state=RouteState.REACHED,
    receivers=3,
    streams=1,
    refusals=1,
    hops=(
        Hop(
            server="n1",
            version="2.15.1",
            cluster="hub",
            account="APP",
            subject="orders.new",
            steps=(
                Step(kind=StepKind.MAPPED, after_ms=0.004, subject="orders.v2.new"),
                Step(kind=StepKind.STORED, after_ms=0.031, name="ORDERS", subject="orders.v2.new"),
                Step(
                    kind=StepKind.DELIVERED,
                    after_ms=0.04,
                    name="billing-worker-of-the-second-generation",
                    link=Link.CLIENT,
                    cid=9,
                    subject="orders.v2.>",
                    queue="billing",
                ),
                Step(kind=StepKind.FORWARDED, after_ms=0.05, name="n2", link=Link.ROUTE, cid=4, hop="1"),
                Step(kind=StepKind.IMPORTED, after_ms=0.07, account="AUDIT", subject="audit.orders"),
            ),
        ),
        Hop(
            id="1",
            server="n2",
            version="2.15.1",
            cluster="hub",
            account="APP",
            subject="orders.v2.new",
            link=Link.ROUTE,
            travel_ms=0.41,
            steps=(
                Step(kind=StepKind.DELIVERED, after_ms=0.02, link=Link.CLIENT, cid=12, subject="orders.*.new"),
                Step(
                    kind=StepKind.DELIVERED,
                    after_ms=0.03,
                    name="stock",
                    link=Link.CLIENT,
                    cid=13,
                    subject="orders.>",
                    error="Not delivered because subscription denies this subject",
                    refused=True,
                ),
                Step(kind=StepKind.FORWARDED, after_ms=0.04, name="edge", link=Link.LEAF, cid=7, hop="1.1"),
            ),
        ),
        Hop(
            id="1.1",
            server="edge",
            version="2.15.1",
            account="SITE",
            subject="orders.v2.new",
            link=Link.LEAF,
            steps=(
                Step(kind=StepKind.DELIVERED, after_ms=0.01, name="till", link=Link.CLIENT, cid=3, subject="orders.>"),
            ),
        ),
    ),
    blind=(
        Blind(
            what="what happens in account AUDIT",
            why="the export does not allow tracing, or nobody listens there",
            fix="set allow_trace: true, for a service on the export, for a stream on the import (audit.orders)",
        ),
    ),
)
"""A route over three servers."""

NO_ROUTE: Final = Route(
    subject="orders.gone",
    state=RouteState.NOBODY,
    hops=(Hop(server="n1", version="2.15.1", account="APP", subject="orders.gone"),),
)
"""A route to nobody."""
