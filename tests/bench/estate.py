"""A thousand instances as real agents tell of them: varied, some with findings, some silent, some declining."""

import asyncio
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from bench.wire import percentile
from diagmesh.adapters.neighbour import Neighbour
from diagmesh.contract.answers.cgroup import Bound, CgroupMemory
from diagmesh.contract.answers.health import Check, Health, HealthQuestion, State, Verdict
from diagmesh.contract.answers.resources import CpuLately, Resources, ResourcesQuestion, ToLimit, Trend
from diagmesh.contract.answers.surroundings import Sockets
from diagmesh.contract.codec import encode
from diagmesh.contract.wire import WIRE_VERSION, Answer, Problem, Reply, Status
from diagmesh.expected import Key
from diagmesh.settings import TargetSettings
from diagmesh_agents.health import health as health_agent
from diagmesh_agents.resources import resources as resources_agent
from support.children import Child, until

__all__ = ["KINDS", "TYPES", "Estate", "Judged", "Replies", "Said", "percentile", "real_answers"]

TYPES: Final[dict[str, type[Answer]]] = {"health": Health, "resources": Resources}
KINDS: Final = tuple(TYPES)
SERVICES: Final = 200
REPLICAS: Final = 5
_SEED: Final = 4711
_SILENT_SHARE: Final = 0.02
_DECLINED_SHARE: Final = 0.02
_FAULT_SHARE: Final = 0.05
_WATCHED: Final = "import time\nprint('ready', flush=True)\ntime.sleep(600)"
_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_BUSY: Final = Problem(code=429, error="busy", detail="32 questions are in work", hint="ask again in a second")
_replace = msgspec.structs.replace


class Said(msgspec.Struct, frozen=True):
    """One reply, as it goes over the wire."""

    service: str
    instance: str
    kind: str
    body: bytes


class Replies(msgspec.Struct, frozen=True):
    """All instances, and what those that are not silent say."""

    instances: tuple[tuple[str, str], ...]
    replies: tuple[Said, ...]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of many rounds of gathering and judging; times by what was done."""

    rules: int
    replies: int
    findings: int
    p50_ms: dict[str, float]
    p99_ms: dict[str, float]


async def real_answers() -> tuple[Health, Resources]:
    """What the real agents say in full of a process of this machine that was watched for a while."""
    with Child(_WATCHED) as child:
        neighbour = Neighbour(TargetSettings(service="sim", pid=child.pid, sample_s=0.05))
        task = asyncio.create_task(neighbour.run())
        try:
            await asyncio.to_thread(until, neighbour.ring.samples, lambda samples: len(samples) >= 30)
            health = await health_agent.look(HealthQuestion(), neighbour)
            resources = await resources_agent.look(ResourcesQuestion(window_s=30), neighbour)
            assert isinstance(health, Health)
            assert isinstance(resources, Resources)
            return health, resources
        finally:
            task.cancel()
            await asyncio.wait({task})


class Estate:
    """Who is there and what each says, encoded as it goes over the wire.

    Args:
        health: what a healthy one says.
        resources: likewise.
    """

    def __init__(self, health: Health, resources: Resources) -> None:
        self._dice = random.Random(_SEED)  # noqa: S311  every run the same
        self._health = _usual(health)
        self._resources = _settled(resources)
        self.keys: Final = tuple(
            Key(f"s{service:03}", f"i{replica}") for service in range(SERVICES) for replica in range(REPLICAS)
        )
        self.replies: Final = dict(self._all())
        """By instance and kind; the silent are not in it."""

    def told(self) -> Replies:
        """All of it, for other processes."""
        said = (Said(key.service, key.instance, kind, body) for (key, kind), body in self.replies.items())
        return Replies(tuple((key.service, key.instance) for key in self.keys), tuple(said))

    def _all(self) -> Iterator[tuple[tuple[Key, str], bytes]]:
        for key in self.keys:
            if self._dice.random() < _SILENT_SHARE:
                continue
            yield (key, "health"), self._reply(key, "health", self._a_health())
            yield (key, "resources"), self._reply(key, "resources", self._some_resources())

    def _reply(self, key: Key, kind: str, answer: Health | Resources) -> bytes:
        reply = Reply(
            v=WIRE_VERSION,
            service=key.service,
            instance=key.instance,
            boot="0123456789abcdef",
            host=f"node-{self._dice.randrange(40)}",
            kind=kind,
            status=Status.ANSWERED,
            observed_at=_AT,
            took_ms=round(self._dice.uniform(0.1, 5.0), 3),
            answer=msgspec.Raw(encode(answer)),
        )
        if self._dice.random() < _DECLINED_SHARE:
            reply = _replace(reply, status=Status.DECLINED, answer=msgspec.UNSET, problem=_BUSY)
        return encode(reply)

    def _a_health(self) -> Health:
        """One in twenty has a door that fails or is slow."""
        doors = tuple(_replace(one, took_ms=round(self._dice.uniform(0.3, 9.0), 3)) for one in self._health.checks[1:])
        told = _replace(self._health, pid=self._dice.randrange(2, 60_000), checks=(self._health.checks[0], *doors))
        if self._dice.random() >= _FAULT_SHARE:
            return told
        if self._dice.random() < 0.5:
            bad = _replace(doors[0], verdict=Verdict.FAIL, reason="status 503 instead of 200 to 299")
            return _replace(told, state=State.DOWN, reason=bad.reason, checks=(told.checks[0], bad, *doors[1:]))
        return _replace(told, checks=(told.checks[0], _replace(doors[0], took_ms=812.0), *doors[1:]))

    def _some_resources(self) -> Resources:
        """One in twenty has something that will be found."""
        usual, dice = self._resources, self._dice
        rss = int((usual.memory.rss_bytes or 0) * dice.uniform(0.9, 1.1))
        told = _replace(
            usual,
            cpu=_replace(usual.cpu, cores_used=round(dice.uniform(0.01, 0.05), 4)),
            memory=_replace(usual.memory, rss_bytes=rss),
            descriptors=_replace(usual.descriptors, held=dice.randrange(20, 30)),
        )
        if dice.random() >= _FAULT_SHARE:
            return told
        fault = dice.choice(_FAULTS)
        return fault(told)


def _usual(health: Health) -> Health:
    """With two doors, as most services have them, beside the process."""
    doors = tuple(
        Check(name=name, kind=kind, verdict=Verdict.PASS, required=True, target=target, took_ms=1.2)
        for name, kind, target in (
            ("door", "tcp", "127.0.0.1:8080"),
            ("healthz", "http", "http://127.0.0.1:8080/healthz"),
        )
    )
    return _replace(health, checks=(*health.checks[:1], *doors))


def _settled(resources: Resources) -> Resources:
    """As of a process that is old enough to be compared, on a disk with room."""
    disks = resources.disks and _replace(resources.disks, fullest_share=0.4)
    lately = CpuLately(over_s=20.0, cores_used=0.03, throttled_share=0.0)
    cpu = _replace(resources.cpu, over_s=5.0, allowed_cpus=4, throttled_share=0.0, lately=lately)
    return _replace(resources, process=_replace(resources.process, uptime_s=86_400.0), cpu=cpu, disks=disks)


def _saturated(told: Resources) -> Resources:
    return _replace(told, cpu=_replace(told.cpu, cores_used=3.9, lately=CpuLately(over_s=20.0, cores_used=3.9)))


def _near_memory(told: Resources) -> Resources:
    group = CgroupMemory(bound=Bound.LIMITED, limit_bytes=1 << 26, working_set_bytes=62 << 20, share_of_limit=62 / 64)
    return _replace(told, memory=_replace(told.memory, cgroup=group))


def _growing(told: Resources) -> Resources:
    limit = ToLimit(limit="cgroup limit", headroom=2e8, earliest_s=1000.0, likely_s=1200.0, latest_s=1400.0)
    trend = Trend(slope=1.7e5, slope_low=1.5e5, slope_high=2e5, over_s=600.0, samples=120, to_limit=limit)
    return _replace(told, memory=_replace(told.memory, trend=trend))


def _descriptors(told: Resources) -> Resources:
    held = _replace(told.descriptors, held=900, bound=Bound.LIMITED, soft_limit=1024, share_of_limit=900 / 1024)
    return _replace(told, descriptors=held)


def _close_wait(told: Resources) -> Resources:
    sockets = Sockets(total=60, established=8, close_wait=50)
    return _replace(told, sockets=sockets, descriptors=_replace(told.descriptors, held=90))


def _odd(told: Resources) -> Resources:
    return _replace(told, memory=_replace(told.memory, rss_bytes=(told.memory.rss_bytes or 0) + (900 << 20)))


_FAULTS: Final[tuple[Callable[[Resources], Resources], ...]] = (
    _saturated,
    _near_memory,
    _growing,
    _descriptors,
    _close_wait,
    _odd,
)
