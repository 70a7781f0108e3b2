"""``python -m bench.judge URL FILE ROUNDS``: gathers what the rules read from a thousand instances, and judges it."""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import uvloop

from bench.estate import KINDS, TYPES, Judged, Replies, percentile
from diagmesh.bus.core import BusState
from diagmesh.bus.nats import NatsBus
from diagmesh.checking import check_of
from diagmesh.contract.directory import InstanceEntry, InstanceState, ServiceEntry, Services
from diagmesh.contract.verdicts import Check, Verdict
from diagmesh.contract.wire import Reply
from diagmesh.diagnose import Engine
from diagmesh.expected import Expected, Gathered, Key
from diagmesh.gather import Ask, Gather, Plan
from diagmesh.packs import load_rules
from diagmesh.settings import NatsSettings

_WARM_UPS = 2
_PATIENCE_S = 10.0
_GC_THRESHOLD = 50_000
"""As the coordinator sets it."""


class Round(msgspec.Struct):
    """One round of the gather, and what it took."""

    gathered: list[Gathered]
    took_s: float


async def connected(url: str) -> NatsBus:
    """Our connection."""
    bus = NatsBus(NatsSettings(url=url), "bench/judge")
    bus.start()
    async with asyncio.timeout(_PATIENCE_S):
        while bus.state.state is not BusState.CONNECTED:
            await asyncio.sleep(0.01)
    return bus


def plans(told: Replies) -> list[Plan]:
    """As a coordinator asks who knows everybody; the silent count as lost long ago, so that nobody waits for them."""
    keys = [Key(*one) for one in told.instances]
    answering = {Key(one.service, one.instance) for one in told.replies}
    expected = tuple(Expected(key=key, live=key in answering) for key in keys)
    asks = tuple(Ask(service=service) for service in sorted({key.service for key in keys}))
    return [Plan(kind=kind, asks=asks, expected=expected, timeout_s=_PATIENCE_S) for kind in KINDS]


def directory(told: Replies) -> Services:
    """What a coordinator knows of them: the silent were lost."""
    answering = {(one.service, one.instance) for one in told.replies}
    entries: dict[str, list[InstanceEntry]] = {}
    for service, instance in told.instances:
        state = InstanceState.LIVE if (service, instance) in answering else InstanceState.NOT_CONNECTED
        entries.setdefault(service, []).append(InstanceEntry(instance=instance, state=state))
    services = tuple(ServiceEntry(service=name, instances=tuple(those)) for name, those in entries.items())
    return Services(
        services=services,
        live=len(answering),
        missing=len(told.instances) - len(answering),
        kinds=KINDS,
        coordinators=(),
    )


async def gather(bus: NatsBus, wanted: Sequence[Plan], count: int) -> Round:
    """Both kinds at the same time."""
    started = time.perf_counter()
    gathered = await asyncio.gather(*(Gather(bus, plan).run() for plan in wanted))
    took_s = time.perf_counter() - started
    if (came := sum(len(one.replies) for one in gathered)) != count:
        raise RuntimeError(f"{came} of {count} replies came: {[one.ended for one in gathered]}")
    return Round(gathered, took_s)


def timed(judge: Callable[[], object]) -> float:
    """Seconds."""
    started = time.perf_counter()
    judge()
    return time.perf_counter() - started


def only_decoded(replies: Sequence[Reply]) -> None:
    """The floor: each answer into its type, once."""
    decoders = {kind: msgspec.json.Decoder(answer) for kind, answer in TYPES.items()}
    for reply in replies:
        if isinstance(reply.answer, msgspec.Raw):
            decoders[reply.kind].decode(reply.answer)


def only_parsed(replies: Sequence[Reply]) -> None:
    """The peer: each answer into dicts by the standard library, as a plain Python program would."""
    for reply in replies:
        if isinstance(reply.answer, msgspec.Raw):
            json.loads(bytes(reply.answer))


def well_judged(check: Check) -> Check:
    """A bench over rules that judge nothing would be fast.

    Raises:
        RuntimeError: a rule is broken, or nothing was found.
    """
    broken = [one.code for one in check.verdicts if one.verdict is Verdict.BROKEN]
    if broken or len(check.findings) < 5 or not check.silent:
        raise RuntimeError(f"broken: {broken}, found: {[one.code for one in check.findings]}")
    return check


def engine_of_the_estate() -> Engine:
    """The rules that read what the estate tells; those of other kinds would only find nothing."""
    pack = load_rules()
    return Engine(pack, codes=[one.code for one in pack.rules.values() if set(one.kinds) <= set(KINDS)])


async def main(url: str, file: Path, rounds: int) -> Judged:
    """Warm up, then measure; gather and judging alternate, so that both see the same machine."""
    gc.set_threshold(_GC_THRESHOLD)
    told = msgspec.msgpack.decode(file.read_bytes(), type=Replies)
    engine = engine_of_the_estate()
    bus, wanted, known = await connected(url), plans(told), directory(told)
    took: dict[str, list[float]] = {"gather": [], "judge": [], "decode": [], "json": []}
    check = Check()
    for number in range(_WARM_UPS + rounds):
        came = await gather(bus, wanted, len(told.replies))
        replies = [reply for one in came.gathered for reply in one.replies]
        started = time.perf_counter()
        check = check_of(engine, came.gathered, known, {})
        judged_s = time.perf_counter() - started
        decoded_s, parsed_s = timed(lambda: only_decoded(replies)), timed(lambda: only_parsed(replies))  # noqa: B023
        if number >= _WARM_UPS:
            for name, value in zip(took, (came.took_s, judged_s, decoded_s, parsed_s), strict=True):
                took[name].append(value)
    well_judged(check)
    await bus.close()
    return Judged(
        rules=len(engine.rules),
        replies=len(told.replies),
        findings=len(check.findings),
        p50_ms={name: 1e3 * percentile(values, 0.50) for name, values in took.items()},
        p99_ms={name: 1e3 * percentile(values, 0.99) for name, values in took.items()},
    )


if __name__ == "__main__":
    outcome = uvloop.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
    print(msgspec.json.encode(outcome).decode(), flush=True)
