"""One run of the service: who was asked to end counts as asked for a while only, and small pieces are joined."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diagmesh_agents._launcher.outlet import Counts, Outlet
from diagmesh_agents._launcher.service import Service

STUBBORN = "import signal, time; signal.signal(signal.SIGINT, lambda *_: None); print(flush=True); time.sleep(600)"


class Silent:
    """The output of a service that says nothing."""

    areas = ()

    def totals(self) -> tuple[int, int]:
        return 0, 0


@pytest.fixture
def stubborn() -> Iterator[Service]:
    read, write = os.pipe()
    output: Any = Silent()
    service = Service([sys.executable, "-c", STUBBORN], {1: write, 2: write}, output)
    assert os.read(read, 1)
    yield service
    os.kill(service.pid, signal.SIGKILL)
    os.waitpid(service.pid, 0)
    os.close(read)
    os.close(write)


def test_a_service_that_did_not_obey_counts_as_asked_for_a_while_only(
    stubborn: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stubborn.asked == ""
    stubborn.forward(signal.SIGINT)
    assert stubborn.asked == "SIGINT"
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 601)
    assert stubborn.asked == ""


def test_many_small_pieces_cost_no_more_than_their_bytes(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    outlet = Outlet(os.open(fifo, os.O_WRONLY), patient=False)
    passed: list[int] = []
    counts = Counts(passed.append, lambda _: None)
    told = bytes(range(256)) * 1000
    outlet.put(bytes(100_000), counts)  # more than the pipe takes: nobody reads yet
    for byte in told:
        outlet.put(bytes((byte,)), counts)
    assert len(outlet._queue) < len(told) / 1000
    got = b""
    os.set_blocking(read, True)
    while len(got) < 100_000 + len(told):
        got += os.read(read, 65_536)
    assert got == bytes(100_000) + told
    assert outlet.flush(5, 5)
    assert sum(passed) == len(got)
    os.close(read)
