"""For tests of agents and rules, ours and those of others: a neighbour without a process, evidence without a mesh."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from diagmesh.adapters.streams import view_of
from diagmesh.appnats import AppNats, NoAppNats
from diagmesh.contract.answers.races import Races
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.codec import encode
from diagmesh.contract.directory import Services
from diagmesh.contract.kinds import kind_of_type
from diagmesh.contract.mesh import Silent
from diagmesh.contract.wire import WIRE_VERSION, Answer, Blind, Problem, Reply, Status
from diagmesh.declare import RuleSpec
from diagmesh.diagnose import Diagnosis, Engine
from diagmesh.errors import Busy, NotRunning, PageTooLarge, Unavailable, Unreadable
from diagmesh.evidence import Evidence
from diagmesh.gopages import LIMIT_BYTES, Fetched, GoDoor, GoPage, NoGoDoor, Query, Setting, not_configured
from diagmesh.goruntime import GoLook, GoRuntime, GoSample, HeapGrowth
from diagmesh.monitoring import MonitorDoor, NoMonitorDoor
from diagmesh.packs import RulePack
from diagmesh.pages import page_of
from diagmesh.settings import RuleSettings
from diagmesh.target import (
    Aged,
    Depth,
    Disk,
    Look,
    MetConnections,
    NatsDoors,
    Probe,
    ProbeResult,
    ProcessView,
    RaceLooks,
    Ring,
    Sample,
    Sighting,
    StreamsView,
    TcpLink,
    Trends,
)

__all__ = [
    "FakeGo",
    "FakeGoRuntime",
    "FakeProbe",
    "FakeProcess",
    "FakeRaces",
    "FakeRing",
    "FakeTarget",
    "answered",
    "judged",
    "refused",
]


class FakeProcess:
    """A process that shows what the test gives it.

    Args:
        states: told one after the other, the last one for good; an exception among them is raised.
        look: the cheap set; without it a look is `Unreadable`.
        depth: the expensive set, likewise.
        disk: the filesystems, likewise.
        links: its TCP connections, likewise.
        pid: its process id.
        started_at: when it started; default: now.
    """

    def __init__(
        self,
        *states: ProcessState | Exception,
        look: Look | None = None,
        depth: Depth | None = None,
        disk: Disk | None = None,
        links: Sequence[TcpLink] | None = None,
        pid: int = 4242,
        started_at: datetime | None = None,
    ) -> None:
        self.pid = pid
        self.started_at = started_at or datetime.now(UTC)
        self._states = list(states) or [ProcessState.SLEEPING]
        self._look = look
        self._depth = depth
        self._disk = disk
        self._links = links

    def tcp_links(self) -> Sequence[TcpLink]:
        """The connections that the test gave."""
        if self._links is None:
            raise Unreadable("sockets", "the test gave this fake no connections")
        return self._links

    def state(self) -> ProcessState:
        """The next state."""
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if isinstance(state, Exception):
            raise state
        return state

    def look(self) -> Look:
        """The cheap set."""
        if self._look is None:
            raise Unreadable("process", "the test gave this fake no look")
        return self._look

    async def depth(self, max_age_s: float) -> Aged[Depth]:  # noqa: ARG002  a fake has one depth of any age
        """The expensive set."""
        if self._depth is None:
            raise Unreadable("process", "the test gave this fake no depth")
        return Aged(self._depth, 0.0)

    async def disks(self, max_age_s: float) -> Aged[Disk]:  # noqa: ARG002  likewise
        """The filesystems."""
        if self._disk is None:
            raise Unreadable("filesystems", "the test gave this fake no disk")
        return Aged(self._disk, 0.0)


class FakeRing:
    """A recent past of the test's making; ``window_s`` counts back from the last sample."""

    def __init__(self, *samples: Sample, trends: Trends | None = None) -> None:
        self._samples = samples
        self._trends = trends or Trends()

    def samples(self, window_s: float | None = None) -> Sequence[Sample]:
        """The samples of the window, oldest first."""
        if window_s is None or not self._samples:
            return self._samples
        return tuple(s for s in self._samples if s.at >= self._samples[-1].at - window_s)

    def trends(self, window_s: float) -> Trends:  # noqa: ARG002  a fake has the same slopes over any window
        """The slopes that the test gave."""
        return self._trends


class FakeProbe:
    """A probe that answers what the test gives it, after ``takes_s``; `looks` counts how often it was asked."""

    def __init__(
        self,
        name: str = "door",
        ok: bool | None = True,
        *,
        required: bool = True,
        reason: str = "",
        takes_s: float = 0.0,
    ) -> None:
        self.name = name
        self.looks = 0
        self._takes_s = takes_s
        self._result = ProbeResult(name=name, kind="tcp", target=name, ok=ok, required=required, reason=reason)

    async def look(self) -> ProbeResult:
        """The result."""
        self.looks += 1
        await asyncio.sleep(self._takes_s)
        return self._result


class FakeGo:
    """Diagnostic pages of the test's making, by what is asked for: ``FakeGo({"pprof/heap?debug=1": b"…"})``.

    Each page is its bytes, an error that is raised, or a list of these, told one after the other, the last one for
    good. A page that is not given is one whose place the settings do not name. `asked` lists what was fetched.
    """

    def __init__(self, pages: Mapping[str, bytes | Exception | list[bytes | Exception]]) -> None:
        self._pages = {name: page if isinstance(page, list) else [page] for name, page in pages.items()}
        self.asked: list[str] = []
        self.at_work = ""

    @property
    def places(self) -> Mapping[Setting, str]:
        """The settings to which a page was given."""
        known: tuple[Setting, ...] = ("pprof", "expvar", "metrics")
        given = {name.partition("/")[0].partition("?")[0] for name in self._pages}
        return {key: f"http://the-test/{key}" for key in known if key in given}

    async def fetch(
        self,
        page: GoPage,
        *,
        query: Query | None = None,
        limit_bytes: int = LIMIT_BYTES,
        timeout_s: float = 5.0,  # noqa: ARG002  a fake is never late
        whole: bool = False,
        into: Path | None = None,
    ) -> Fetched:
        """The next of what the test gave for that page."""
        words = "&".join(f"{key}={value}" for key, value in (query or {}).items())
        name = f"{page}?{words}" if words else str(page)
        self.asked.append(name)
        if name not in self._pages:
            raise not_configured("the test", page.setting)
        row = self._pages[name]
        body = row.pop(0) if len(row) > 1 else row[0]
        if isinstance(body, Exception):
            raise body
        if len(body) > limit_bytes and whole:
            raise PageTooLarge(f"{name} has {len(body)} B")
        told = body[:limit_bytes]
        if into is not None:
            await asyncio.to_thread(into.write_bytes, told)
        return Fetched(
            body=told if into is None else b"",
            size_bytes=len(told),
            content_type="",
            took_ms=1.0,
            cut=len(body) > limit_bytes,
        )

    @asynccontextmanager
    async def alone(self, what: str, *, for_s: float = 0.0, wait_s: float = 2.0) -> AsyncIterator[None]:  # noqa: ARG002
        """Taken at once, or `Busy` while another one has it."""
        if self.at_work:
            raise Busy(f"{self.at_work} is under way")
        self.at_work = what
        try:
            yield
        finally:
            self.at_work = ""


class FakeRaces:
    """What a race detector reported, of the test's making; without an answer nobody could report anything."""

    def __init__(self, answer: Races | None = None) -> None:
        self._answer = answer

    def look(self) -> Races:
        """The answer."""
        if self._answer is None:
            raise Unavailable("the test gave this fake no races", code=501, error="not on this instance")
        return self._answer


class FakeGoRuntime:
    """A Go runtime that shows what the test gives it.

    Args:
        looks: told one after the other, the last one for good; an exception among them is raised.
        samples: its past.
        growth: of its heap.
    """

    def __init__(
        self, *looks: GoLook | Exception, samples: Sequence[GoSample] = (), growth: HeapGrowth | None = None
    ) -> None:
        self._looks = list(looks)
        self.growth = growth
        self._samples = samples

    async def look(self) -> GoLook:
        """The next look."""
        if not self._looks:
            raise not_configured("the test", "expvar", "metrics", "pprof")
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, Exception):
            raise look
        return look

    def samples(self, window_s: float | None = None) -> Sequence[GoSample]:
        """The past of the window, oldest first."""
        if window_s is None or not self._samples:
            return self._samples
        return tuple(one for one in self._samples if one.at >= self._samples[-1].at - window_s)


class FakeTarget:
    """A neighbour of the test's making; without a process it is one whose process is not there.

    Args:
        process: what runs, if anything.
        probes: its doors.
        sighting: what the sidecar knows; default: fits ``process``.
        ring: the recent past.
        blind: what cannot be seen of it.
        go: the way to its diagnostic pages; default: the settings name none.
        races: what its race detector reported; default: nobody could report anything.
        nats: the observer connection; default: the settings give none.
        go_runtime: its Go runtime, likewise.
        streams: the streams that it uses; default: as that connection shows them.
        doors: the NATS servers that it should connect to; default: the settings name none.
        monitor: the way to its monitoring endpoint; default: the settings name none.
        service: its service name.
        instance: its instance name.
    """

    def __init__(  # noqa: PLR0913  each part of a neighbour may be given
        self,
        process: ProcessView | None = None,
        probes: Sequence[Probe] = (),
        *,
        sighting: Sighting | None = None,
        ring: Ring | None = None,
        blind: Sequence[Blind] = (),
        go: GoDoor | None = None,
        races: RaceLooks | None = None,
        nats: AppNats | None = None,
        go_runtime: GoRuntime | None = None,
        streams: StreamsView | None = None,
        doors: NatsDoors | None = None,
        monitor: MonitorDoor | None = None,
        service: str = "orders",
        instance: str = "i1",
    ) -> None:
        self.service = service
        self.instance = instance
        self.probes: Sequence[Probe] = probes
        self.ring: Ring = ring or FakeRing()
        self.races: RaceLooks = races or FakeRaces()
        self.go_runtime: GoRuntime = go_runtime or FakeGoRuntime()
        self.go: GoDoor = go or NoGoDoor(f"{service}/{instance}")
        self.nats_doors = doors
        self.met = MetConnections()
        self.nats: AppNats = nats or NoAppNats(f"{service}/{instance}")
        self.streams: StreamsView = streams or view_of(self.nats, None)
        self.monitor: MonitorDoor = monitor or NoMonitorDoor(f"{service}/{instance}")
        self._process = process
        self._sighting = sighting
        self._blind = blind

    @property
    def process(self) -> ProcessView:
        """What runs."""
        if self._process is None:
            raise NotRunning("the test gave this target no process")
        return self._process

    def sighting(self) -> Sighting:
        """What the sidecar knows of it."""
        if self._sighting is not None:
            return self._sighting
        if self._process is None:
            return Sighting(looked_for="the test", running=False, reason="the test gave this target no process")
        return Sighting(
            looked_for="the test",
            running=True,
            pid=self._process.pid,
            started_at=self._process.started_at,
            last_seen=datetime.now(UTC),
        )

    def blind(self) -> Sequence[Blind]:
        """What cannot be seen of it."""
        return self._blind

    def now(self, **changes: object) -> None:
        """Change what the sidecar knows: ``target.now(restarts_seen=1)``."""
        self._sighting = msgspec.structs.replace(self.sighting(), **changes)


def answered(answer: Answer, at: str = "orders/i1") -> Reply:
    """The reply in which that instance gave this answer."""
    service, _, instance = at.partition("/")
    raw = msgspec.Raw(encode(answer))
    kind = kind_of_type(type(answer))
    return Reply(v=WIRE_VERSION, service=service, instance=instance, kind=kind, status=Status.ANSWERED, answer=raw)


def refused(answer: type[Answer], why: str = "cannot look now", at: str = "orders/i1") -> Reply:
    """The reply in which that instance could not give an answer of this type."""
    service, _, instance = at.partition("/")
    problem = Problem(code=503, error=why)
    return Reply(
        v=WIRE_VERSION,
        service=service,
        instance=instance,
        kind=kind_of_type(answer),
        status=Status.UNAVAILABLE,
        problem=problem,
    )


def judged(
    rule: RuleSpec,
    *replies: Reply,
    settings: Iterable[RuleSettings] = (),
    silent: Iterable[Silent] = (),
    directory: Services | None = None,
) -> Diagnosis:
    """What one rule says, by the engine that a mesh has; its page must lie beside it, as in a mesh.

    Args:
        rule: the rule.
        replies: what was gathered; see `answered` and `refused`.
        settings: thresholds and suppressions.
        silent: who was expected and not heard.
        directory: who is there, for the rules that ask.

    Raises:
        DiagmeshError: the page is missing or has not the form of a page.
        SettingsError: a setting is wrong.
    """
    pack = RulePack({rule.code: rule}, {rule.code: page_of(rule.module, rule.code)})
    seen = Evidence(replies, silent=silent, directory=directory)
    return Engine(pack, tuple(settings)).diagnose(seen, coordinators=seen)
