"""What the processes of the bench tell each other."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from diagmesh.contract.answers.health import Check, Health, State, Verdict
from diagmesh.contract.codec import encode
from diagmesh.contract.wire import WIRE_VERSION, Reply, Status

__all__ = [
    "SERVICE",
    "DumpLooks",
    "GoLooks",
    "Load",
    "Looks",
    "NatsLooks",
    "Rounds",
    "a_reply",
    "an_answer",
    "percentile",
]

SERVICE = "sim"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of a load: latencies as the asker saw them; ``refused`` had error headers."""

    requests: int
    refused: int
    per_second: float
    p50_us: float
    p99_us: float


class Rounds(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of many gathers by one gatherer; CPU is that of its own process."""

    rounds: int
    replies: int
    p50_ms: float
    p99_ms: float
    cpu_us_per_reply: float


class DumpLooks(msgspec.Struct, frozen=True, kw_only=True):
    """What a look of `goroutines` costs: times of the worst one, CPU of both sides per look, memory.

    ``grown_mib`` is what stayed with the sidecar, ``reader_mib`` what the largest process had that read for it.
    """

    took_ms: float
    parse_ms: float
    whole_ms: float
    sidecar_ms: float
    service_ms: float
    longest_ms: float
    grown_mib: float
    reader_mib: float


class Looks(msgspec.Struct, frozen=True, kw_only=True):
    """What one look costs, by who looks: CPU of the process, and the calls on its event loop.

    ``loop_ms`` is the CPU of the call that used most, ``longest_ms`` how long the longest one took.
    """

    cpu_us: dict[str, float]
    loop_ms: dict[str, float]
    longest_ms: dict[str, float]


class GoLooks(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at a Go service costs, by way: CPU of both sides, how long it takes, memory that stays."""

    sidecar_us: dict[str, float]
    service_us: dict[str, float]
    p50_ms: dict[str, float]
    grown_mib: dict[str, float]


class NatsLooks(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at NATS costs, by kind: time, CPU of both sides, memory on top, and how much is answered."""

    p50_ms: dict[str, float]
    sidecar_ms: dict[str, float]
    server_ms: dict[str, float]
    peak_mib: dict[str, float]
    answer_kib: dict[str, float]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of them do not exceed.

    Raises:
        ValueError: there are no values; a bench without measurements has no numbers.
    """
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def an_answer() -> Health:
    """A health answer of usual size."""
    checks = tuple(
        Check(name=name, kind=kind, verdict=Verdict.PASS, required=True, target=target)
        for name, kind, target in (
            ("process", "process", "pid 4242"),
            ("door", "http", "http://127.0.0.1:8080/healthz"),
        )
    )
    return Health(
        state=State.UP,
        reason="the process is there and every door opens",
        pid=4242,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        uptime_s=86_400.5,
        restarts_seen=0,
        checks=checks,
    )


def a_reply(instance: str) -> bytes:
    """The encoded reply of a simulated instance."""
    return encode(
        Reply(
            v=WIRE_VERSION,
            service=SERVICE,
            instance=instance,
            boot="0123456789abcdef",
            host="bench",
            kind="health",
            status=Status.ANSWERED,
            observed_at=datetime(2026, 1, 1, tzinfo=UTC),
            took_ms=0.123,
            answer=msgspec.Raw(encode(an_answer())),
        )
    )
