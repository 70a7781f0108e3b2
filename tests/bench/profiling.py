"""Profiles: reading them beside ``go tool pprof``, and what one look costs the service and whoever looks."""

import asyncio
import contextlib
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from bench.lab import Lab, cpu_s
from bench.pace import Pace
from bench.report import Row
from bench.turns import Values, in_turn, row
from diagmesh.adapters.neighbour import Neighbour
from diagmesh.adapters.pprof.apart import Job, Part
from diagmesh.adapters.pprof.decode import decode
from diagmesh.adapters.pprof.look import Wanted, look
from diagmesh.contract.answers.profile import Profile, ProfileQuestion, ProfileType
from diagmesh.settings import TargetSettings
from diagmesh_agents.profile import profile
from support.godemo import GoDemo, GoService, build
from support.golang import Go, GoMissing
from support.pprof import Tool, made, packed
from support.programs import wait_until

__all__ = ["profiling", "reading"]

_PART, _READING = "profiling", "reading"
_DEPTH, _FUNCTIONS = 20, 2000
_LOOKS: Final = (ProfileType.HEAP, ProfileType.GOROUTINE, ProfileType.CPU, ProfileType.SURVEY)
_PAGE_S: Final = 0.02


def profiling(lab: Lab, pace: Pace) -> list[Row]:
    """A look of each kind at the Go demo, with few and with many goroutines."""
    rows: list[Row] = []
    try:
        programs = build(Go())
    except GoMissing as missing:
        return [Row(part=_PART, case="one look", who="agent", note=f"no Go: {str(missing).splitlines()[0]}")]
    with GoDemo(programs, lab.url, _folder(lab, "demo")) as demo:
        service = demo.service("payments")
        for goroutines in pace.goroutines:
            rows += _looking(service, pace, goroutines)
    words = (
        "milliseconds; CPU: of the service, beyond its idle; slowest: of its small pages meanwhile (idle: when nobody "
        "looks); took: all of it; loop: CPU of the event loop of the sidecar; read, read MiB: CPU and memory of the "
        "process that reads, and ends"
    )
    return [*rows, Row(part=_PART, case="one look", who="columns", note=words)]


def reading(lab: Lab, pace: Pace) -> list[Row]:
    """Files of so many stacks."""
    return [one for stacks in pace.stacks for one in _reading(lab, pace, stacks)]


def _folder(lab: Lab, name: str) -> Path:
    folder = lab.directory / name
    folder.mkdir(exist_ok=True)
    return folder


def _reading(lab: Lab, pace: Pace, stacks: int) -> Iterator[Row]:
    file = lab.directory / f"{stacks}.pb.gz"
    dice = random.Random(stacks)  # noqa: S311  the same each time
    names = [f"shop/internal/part{number % 50}.Function{number}:{number}" for number in range(_FUNCTIONS)]
    file.write_bytes(
        packed(made((";".join(dice.choices(names, k=_DEPTH)), dice.randint(1, 99)) for _ in range(stacks)))
    )
    job = msgspec.json.encode(Job(parts=(Part(type="cpu", files=(str(file),)),)))

    def in_process() -> Values:
        began = time.perf_counter()
        look(decode(file.read_bytes()), Wanted())
        return {"ms": 1000 * (time.perf_counter() - began)}

    def apart() -> Values:
        began = time.perf_counter()
        command = [sys.executable, "-m", "diagmesh.adapters.pprof"]
        subprocess.run(command, input=job, capture_output=True, timeout=120, check=True)
        return {"ms": 1000 * (time.perf_counter() - began)}

    contestants = {"ours, reading alone": in_process, "ours, a whole process": apart}
    with contextlib.suppress(GoMissing):
        tool = Tool(Go(), _folder(lab, "pprof"))

        def by_go() -> Values:
            began = time.perf_counter()
            tool.run("-top", file)
            return {"ms": 1000 * (time.perf_counter() - began)}

        contestants["go tool pprof -top"] = by_go
    seen = in_turn(max(pace.turns, 2), contestants)
    peers = {"/pprof": ("ms", seen.get("go tool pprof -top", []))}
    for who, many in seen.items():
        yield row(_READING, f"{stacks} stacks", who, many, peers)


def _looking(service: GoService, pace: Pace, goroutines: int) -> Iterator[Row]:
    if service.goroutines() < goroutines:
        service.turn("leak-goroutines", amount=10_000, cap=goroutines, for_s=600)
        wait_until(lambda: service.goroutines() >= goroutines, 120, f"{goroutines} goroutines")
    case = f"{goroutines} goroutines"
    before = _slowest(service, 1.0)
    for kind in _LOOKS:
        many = [asyncio.run(_one_look(service, kind)) for _ in range(pace.turns)]
        yield row(_PART, case, kind.value, [{**one, "idle": before} for one in many], {})
    service.turn("leak-goroutines", on=False)


async def _one_look(service: GoService, kind: ProfileType) -> Values:
    neighbour = Neighbour(TargetSettings(service="payments", pid=service.pid, go=service.go))
    idle = await asyncio.to_thread(_idle_share, service)
    with _small_pages(service) as slowest:
        used, ours, began = cpu_s(service.pid), time.thread_time(), time.perf_counter()
        answer = await profile.look(ProfileQuestion(type=kind), neighbour)
        took_s, ours = time.perf_counter() - began, time.thread_time() - ours
        used = cpu_s(service.pid) - used - idle * took_s
    assert isinstance(answer, Profile)
    assert answer.cost is not None
    return {
        "CPU ms": max(0.0, 1000 * used),
        "slowest": 1000 * max(slowest, default=0.0),
        "took": 1000 * took_s,
        "loop": 1000 * ours,
        "KiB": answer.cost.fetched_bytes / 1024,
        "read": answer.cost.read_cpu_ms,
        "read MiB": answer.cost.read_rss_bytes / (1 << 20),
    }


def _idle_share(service: GoService) -> float:
    """The CPU that it uses by itself and for the small pages, per second."""
    with _small_pages(service):
        used, began = cpu_s(service.pid), time.perf_counter()
        time.sleep(0.5)
        return (cpu_s(service.pid) - used) / (time.perf_counter() - began)


def _slowest(service: GoService, for_s: float) -> float:
    with _small_pages(service) as slowest:
        time.sleep(for_s)
    return 1000 * max(slowest, default=0.0)


@contextmanager
def _small_pages(service: GoService) -> Iterator[list[float]]:
    """Ask for a small page again and again: how long each took, seconds."""
    ended, took = threading.Event(), list[float]()

    def ask() -> None:
        while not ended.wait(_PAGE_S):
            began = time.perf_counter()
            with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/debug/pprof/cmdline", timeout=30) as page:
                page.read()
            took.append(time.perf_counter() - began)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield took
    finally:
        ended.set()
        asker.join(40)
