"""Whatever happens to one of our parts, or to whoever reads: the service runs on, and is not held up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from support.golang import GoProgram
from support.launching import Launched, beginning_late
from support.natsserver import NatsServer
from support.procs import alive, freeze, thaw
from support.programs import wait_until

pytestmark = pytest.mark.timeout(300)
Flags = tuple[str, ...]
LINES = 4000
"""A kilobyte each: more than every pipe on the way holds."""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flags]:
    """A server, so that an end is told at once."""
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield ("--nats", server.url, "--linger", "0")


@pytest.fixture
def talker(go_program: GoProgram) -> Path:
    return go_program("talker")


class Flood:
    """A service that says a kilobyte a time, and counts where no pipe of ours can hold it up."""

    def __init__(self, launched: Launched, counter: Path) -> None:
        self.launched, self.counter = launched, counter
        wait_until(counter.exists, 30, "the service talks")
        self.service = launched.service

    def count(self) -> int:
        return int(self.counter.read_text())

    def goes_on(self) -> None:
        before = self.count()
        wait_until(lambda: self.count() > before + LINES, 60, f"it says {LINES} KiB more than {before}")
        assert alive(self.service)
        assert not self.counter.with_name(f"{self.counter.name}.error").exists()


@pytest.fixture
def flood(tmp_path: Path, there: Flags, talker: Path) -> Iterator[Flood]:
    with Launched(tmp_path, [talker, "flood", tmp_path / "n"], *there) as launched:
        yield Flood(launched, tmp_path / "n")


@pytest.mark.parametrize("part", ["pump", "sidecar"])
def test_a_killed_part_comes_back_and_the_service_notices_nothing(flood: Flood, part: str) -> None:
    for _ in range(2):
        killed = getattr(flood.launched, part)
        os.kill(killed, signal.SIGKILL)
        flood.goes_on()
        wait_until(lambda: getattr(flood.launched, part) != killed, 30, f"another {part}")  # noqa: B023  right here
    flood.goes_on()
    assert flood.launched.service == flood.service
    passed = len(flood.launched.text("out"))
    wait_until(lambda: len(flood.launched.text("out")) > passed + 100_000, 20, "output is passed on")


@pytest.mark.parametrize("part", ["pid", "pump", "sidecar"])
def test_a_frozen_part_holds_nobody_up(flood: Flood, part: str) -> None:
    frozen = getattr(flood.launched, part)
    freeze(frozen)
    try:
        passed = len(flood.launched.text("out"))
        flood.goes_on()
        wait_until(lambda: len(flood.launched.text("out")) > passed + 100_000, 20, "output is passed on meanwhile")
    finally:
        thaw(frozen)
    flood.goes_on()
    flood.launched.process.send_signal(signal.SIGTERM)
    assert flood.launched.ended() == 128 + signal.SIGTERM


def test_a_pump_that_hangs_without_being_stopped_holds_nobody_up(flood: Flood) -> None:
    pump = flood.launched.pump
    # A traced process stands still, and its parent is not told.
    tracing = (
        f"import ctypes, os, sys; libc = ctypes.CDLL(None); code = libc.ptrace(16, {pump}, None, None);"
        f"code or os.waitpid({pump}, 0); print(code, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", tracing], stdin=PIPE, stdout=PIPE, text=True) as tracer:
        try:
            assert tracer.stdout is not None
            if tracer.stdout.readline() != "0\n":
                pytest.skip("nothing may be traced here")
            passed = len(flood.launched.text("out"))
            flood.goes_on()
            wait_until(lambda: len(flood.launched.text("out")) > passed + 100_000, 20, "output is passed on meanwhile")
        finally:
            tracer.kill()
    flood.goes_on()
    flood.launched.process.send_signal(signal.SIGTERM)
    assert flood.launched.ended() == 128 + signal.SIGTERM


def test_a_pump_that_begins_late_costs_no_last_words(tmp_path: Path, there: Flags) -> None:
    trace = "panic: boom\\n\\ngoroutine 1 [running]:\\nmain.main()\\n\\t/src/main.go:7 +0x1d\\n"
    script = f"echo hello; printf '{trace}' >&2; exit 2"
    late = beginning_late(tmp_path, "_launcher.pump", 4)
    with Launched(tmp_path, ["sh", "-c", script], *there, environment=late) as launched:
        assert launched.ended() == 2
        (record,) = launched.records()
        assert (record["reason"], record["detail"]) == ("panic", "boom")
        assert record["last_words"].startswith("panic: boom\n\ngoroutine 1")
        assert launched.text("out") == b"hello\n"


def test_everything_is_passed_on_once_although_the_pump_was_frozen(flood: Flood) -> None:
    for _ in range(3):
        frozen = flood.launched.pump
        freeze(frozen)
        time.sleep(0.2)
        thaw(frozen)
        time.sleep(0.1)
    flood.launched.process.send_signal(signal.SIGTERM)
    assert flood.launched.ended() == 128 + signal.SIGTERM
    out = flood.launched.text("out")
    (record,) = flood.launched.records()
    assert record["unpassed_bytes"] == 0
    assert len(out) // 1024 >= flood.count()
    # While two of us read in turn their pieces may change places, but nothing is lost or told twice.
    assert out.count(b"\n") * 1023 == out.count(b"x")


def test_a_killed_launcher_leaves_the_service_alive_and_read(flood: Flood) -> None:
    pump, sidecar = flood.launched.pump, flood.launched.sidecar
    os.kill(flood.launched.pid, signal.SIGKILL)
    assert flood.launched.process.wait(20) == -signal.SIGKILL
    flood.goes_on()
    passed = len(flood.launched.text("out"))
    wait_until(lambda: len(flood.launched.text("out")) > passed + 100_000, 20, "output is passed on")
    assert alive(pump)
    assert alive(sidecar)
    os.kill(flood.service, signal.SIGKILL)
    wait_until(lambda: not alive(pump), 30, "the pump leaves at the end of the output")
    wait_until(lambda: not alive(sidecar), 30, "the sidecar leaves when nothing is left to tell")


def _frozen(_: int) -> None:
    time.sleep(0.1)


def _dead(read: int) -> None:
    os.close(read)


def _slow(read: int) -> None:
    os.read(read, 100)


@pytest.mark.parametrize("reader", [_frozen, _dead, _slow], ids=["frozen", "dead", "slow"])
def test_whoever_reads_the_output_can_hold_nobody_up(
    tmp_path: Path, there: Flags, talker: Path, reader: Callable[[int], None]
) -> None:
    read, write = os.pipe()
    with Launched(tmp_path, [talker, "flood", tmp_path / "n"], *there, out=write) as launched:
        os.close(write)
        flood = Flood(launched, tmp_path / "n")
        reader(read)
        for _ in range(3):
            flood.goes_on()  # three times what the queue before the reader holds
            if reader is _slow:
                reader(read)
        launched.process.send_signal(signal.SIGTERM)
        assert launched.ended() == 128 + signal.SIGTERM, "nor can he keep us from leaving"
        (record,) = launched.records()
        assert record["unpassed_bytes"] > 1_000_000
        assert record["last_words"], "the copy in the ring needs no reader"
        if reader is not _dead:
            os.close(read)
