"""All shipped rules over answers that a test gives or that real agents gave beside real processes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any, Final

import msgspec

from diagmesh.adapters.neighbour import Neighbour
from diagmesh.adapters.probes import make_all
from diagmesh.contract.answers.cgroup import Bound
from diagmesh.contract.answers.health import Check, Health, HealthQuestion, State, Verdict
from diagmesh.contract.answers.resources import (
    Cpu,
    Descriptors,
    Memory,
    ProcessPart,
    ProcessState,
    Resources,
    ResourcesQuestion,
    Threads,
    Trend,
)
from diagmesh.contract.answers.runtime import Collector, Heap, Limit, Rates, Runtime, RuntimeQuestion, Scheduler
from diagmesh.contract.answers.streams import ConsumerState, Streams, StreamState
from diagmesh.contract.codec import encode
from diagmesh.contract.directory import Services
from diagmesh.contract.kinds import kind_of_type
from diagmesh.contract.mesh import Silent
from diagmesh.contract.verdicts import Check as Judgement
from diagmesh.contract.verdicts import RuleVerdict
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.contract.wire import Answer, Problem, Reply, Status
from diagmesh.diagnose import Diagnosis, Engine
from diagmesh.errors import Refusal, Unavailable
from diagmesh.evidence import Evidence
from diagmesh.packs import RulePack, load_rules
from diagmesh.settings import ProbeSettings, RuleSettings, TargetSettings
from diagmesh_agents.health import health as health_agent
from diagmesh_agents.resources import resources as resources_agent
from diagmesh_agents.runtime import runtime as runtime_agent
from support.replies import NOW

__all__ = [
    "ANY_DISK",
    "ORDERS",
    "RUNS",
    "UP",
    "USED",
    "WORKER",
    "check",
    "codes",
    "found",
    "judge",
    "reply",
    "streams",
    "until_codes",
    "verdict",
    "watched",
]

UP: Final = Health(
    state=State.UP,
    reason="the process is there",
    restarts_seen=0,
    pid=4711,
    process_state=ProcessState.SLEEPING,
    uptime_s=7200.0,
    checks=(Check(name="process", kind="process", target="port 8080", verdict=Verdict.PASS, required=True),),
)
"""A health answer with nothing wrong; vary it with `msgspec.structs.replace`."""

USED: Final = Resources(
    process=ProcessPart(pid=4711, state=ProcessState.SLEEPING, started_at=NOW, uptime_s=7200.0),
    cpu=Cpu(used_s=10.0),
    memory=Memory(rss_bytes=100 << 20),
    descriptors=Descriptors(held=20),
    threads=Threads(count=8),
)
"""A resources answer that tells little; vary it likewise."""

RUNS: Final = Runtime(
    version="go1.27.3",
    goroutines=40,
    heap=Heap(
        live_bytes=50 << 20,
        live_most_bytes=50 << 20,
        in_use_bytes=80 << 20,
        allocated_bytes_per_s=1e6,
        trend=Trend(slope=0.0, slope_low=-9.0, slope_high=9.0, over_s=500.0, samples=40),
    ),
    gc=Collector(
        cycles=100,
        cycles_per_s=0.1,
        cpu_share=0.01,
        cpu_cores=0.001,
        target_bytes=100 << 20,
        gogc_percent=100,
        off=False,
    ),
    scheduler=Scheduler(gomaxprocs=4, bound=Bound.UNLIMITED),
    memory=Limit(limited=False, used_bytes=120 << 20, headroom_bytes=8 << 30, headroom_of="memory of the host"),
    rates=Rates(over_s=20.0, samples=100, watched_s=500.0),
)
"""A runtime answer with nothing wrong; vary it likewise."""

WORKER: Final = ConsumerState(
    stream="ORDERS",
    name="worker",
    pending=3,
    ack_pending=1,
    max_ack_pending=10,
    waiting=1,
    ack_wait_s=30.0,
    delivered_seq=40,
    deliveries=41,
    delivered_age_s=0.2,
    acked_seq=39,
    acked_age_s=0.1,
    created_age_s=7200.0,
    still_s=0.1,
)
"""A consumer with nothing wrong; vary it likewise."""

ORDERS: Final = StreamState(name="ORDERS", subjects=("orders.>",), messages=43, bytes=4300, first_seq=1, last_seq=43)
"""A stream with nothing wrong; vary it likewise."""

ANY_DISK: Final = RuleSettings(code="RES-007", limits={"full_share": 1.01})
"""How full the disks of this machine are is no matter of a test of something else."""


def check(name: str = "door", verdict: Verdict = Verdict.PASS, **fields: Any) -> Check:
    """One probe of an answer."""
    return Check(
        **{"name": name, "kind": "http", "target": "http://x/", "verdict": verdict, "required": True, **fields}
    )


def streams(*parts: ConsumerState | StreamState, **more: Any) -> Streams:
    """An answer that tells these, from two looks five seconds apart; the stream ORDERS is there unless another is."""
    told = tuple(one for one in parts if isinstance(one, StreamState)) or (ORDERS,)
    consumers = tuple(one for one in parts if isinstance(one, ConsumerState))
    return Streams(**{"streams": told, "consumers": consumers, "over_s": 5.0, **more})


def reply(answer: Answer | Problem, of: type[Answer] = Health, name: str = "orders/i1") -> Reply:
    """The envelope of an answer, or of a problem in place of an answer of that type."""
    service, _, instance = name.partition("/")
    kind = kind_of_type(of if isinstance(answer, Problem) else type(answer))
    if isinstance(answer, Problem):
        return Reply(v=1, service=service, instance=instance, kind=kind, status=Status.UNAVAILABLE, problem=answer)
    raw: Any = msgspec.Raw(encode(answer))
    return Reply(v=1, service=service, instance=instance, kind=kind, status=Status.ANSWERED, answer=raw)


@cache
def _shipped() -> RulePack:
    """All rules: they never change while tests run, and to look for them costs more than to judge."""
    return load_rules()


def judge(
    replies: Iterable[Reply | Answer],
    *settings: RuleSettings,
    silent: Iterable[Silent] = (),
    directory: Services | None = None,
    **more: Any,
) -> Diagnosis:
    """What all shipped rules say; a bare answer is one of ``orders/i1``, ``more`` is for `Evidence`."""
    whole = [one if isinstance(one, Reply) else reply(one) for one in replies]
    return Engine(_shipped(), settings).diagnose(Evidence(whole, silent=silent, directory=directory, **more))


def codes(diagnosis: Diagnosis) -> list[str]:
    """What was found, worst first; fails where a rule is broken."""
    assert not [one for one in diagnosis.verdicts if one.verdict is Judged.BROKEN]
    return [finding.code for finding in diagnosis.findings]


def found(diagnosis: Diagnosis | Judgement, code: str) -> Any:
    """The one finding with that code."""
    (finding,) = [one for one in diagnosis.findings if one.code == code]
    return finding


def verdict(diagnosis: Diagnosis, code: str) -> RuleVerdict:
    """What became of one rule."""
    (one,) = [each for each in diagnosis.verdicts if each.code == code]
    return one


class Watched:
    """A neighbour whom the real agents look at.

    Args:
        neighbour: whose process and doors.
        settings: of the rules.
    """

    def __init__(self, neighbour: Neighbour, settings: tuple[RuleSettings, ...]) -> None:
        self.neighbour = neighbour
        self._settings = (ANY_DISK, *settings)

    async def judged(self) -> Diagnosis:
        """Ask all agents now, and apply every rule to what they said."""
        first = await health_agent.look(HealthQuestion(), self.neighbour)
        try:
            second = reply(await resources_agent.look(ResourcesQuestion(window_s=30), self.neighbour))
        except Unavailable as gone:
            second = reply(Problem(code=gone.code, error="unavailable", detail=str(gone)), Resources)
        try:
            third = reply(await runtime_agent.look(RuntimeQuestion(window_s=30), self.neighbour))
        except Refusal as gone:
            third = reply(Problem(code=gone.code, error=gone.error, detail=str(gone)), Runtime)
        return judge([reply(first), second, third], *self._settings)

    async def samples(self, count: int) -> None:
        """Wait until the ring holds so many samples of the process that is there now."""
        for _ in range(1000):
            pid = self.neighbour.sighting().pid
            if sum(one.pid == pid for one in self.neighbour.ring.samples()) >= count:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"only {len(self.neighbour.ring.samples())} of {count} samples came")

    async def until(self, *wanted: str, also: Callable[[Diagnosis], bool] = lambda _: True) -> Diagnosis:
        """The first diagnosis with exactly these codes."""
        return await until_codes(self.judged, *wanted, also=also)


async def until_codes(
    look: Callable[[], Any], *wanted: str, also: Callable[[Diagnosis], bool] = lambda _: True
) -> Diagnosis:
    """Look again and again until exactly these codes are found; the fault needs its time to show."""
    deadline = asyncio.get_running_loop().time() + 30
    while True:
        diagnosis: Diagnosis = await look()
        if codes(diagnosis) == list(wanted) and also(diagnosis):
            return diagnosis
        assert asyncio.get_running_loop().time() < deadline, f"never {wanted}: {diagnosis}"
        await asyncio.sleep(0.1)


@asynccontextmanager
async def watched(
    *settings: RuleSettings, probes: Iterable[ProbeSettings] = (), sample_s: float = 0.05, **target: Any
) -> AsyncIterator[Watched]:
    """The real agents beside the process that the target settings name, sampled in the background."""
    neighbour = Neighbour(TargetSettings(service="orders", sample_s=sample_s, **target), make_all(list(probes)))
    tasks = [asyncio.create_task(neighbour.run()), asyncio.create_task(neighbour.watch_go())]
    try:
        yield Watched(neighbour, settings)
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
