"""`ask --watch` against real processes: lines in a log, documents for programs, a picture on a terminal."""

import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path

import pytest

from support.programs import Program, wait_until
from support.smallmesh import SmallMesh

COMMAND = [sys.executable, "-m", "diagmesh_cli", "ask"]
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith(("NATS_", "DIAGMESH_"))}
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SIZE = (24, 80)


@contextmanager
def made(directory: Path) -> Iterator[SmallMesh]:
    with SmallMesh(directory) as small:
        small.sidecar("orders", "i1")
        small.sidecar("orders", "i2")
        small.coordinator()
        yield small


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallMesh]:
    """A mesh in which nobody is hurt."""
    with made(tmp_path_factory.mktemp("calm")) as small:
        yield small


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallMesh]:
    """The same, for tests that hurt."""
    with made(tmp_path) as small:
        yield small


def watching(small: SmallMesh, *words: str) -> list[str]:
    return [*COMMAND, *words, "--watch", "--every", "0.2", "--nats", small.url]


def run(small: SmallMesh, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        watching(small, *words), env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60
    )


class Screen:
    """The command on a terminal of 80 columns and 24 rows."""

    def __init__(self, command: list[str]) -> None:
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        helper = [sys.executable, "-c", "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"]
        environment = {**ENVIRONMENT, "TERM": "xterm-256color"}
        self.process = subprocess.Popen([*helper, *command], stdin=slave, stdout=slave, stderr=slave, env=environment)
        os.close(slave)
        self._raw = b""

    def raw(self) -> str:
        while select.select([self._master], [], [], 0.01)[0]:
            try:
                self._raw += os.read(self._master, 65_536)
            except OSError:
                break
        return self._raw.decode(errors="replace")

    def last(self) -> str:
        """The last picture that was drawn whole."""
        pictures = CONTROL.sub("", self.raw()).replace("\r", "").split("resources of orders")
        return pictures[-1] if len(pictures) > 1 else ""

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def ended(self) -> int:
        until = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < until:
            self.raw()
        self.close()
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def test_a_log_gets_a_line_per_instance_and_look(calm: SmallMesh) -> None:
    done = run(calm, "resources", "orders", "--count", "3")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= SIZE[1]
    first = [line.split()[1] for line in lines if "cpu.cores_used" in line]
    assert first == ["orders/i1", "orders/i2"] * 3
    assert {line.split()[1] for line in lines} == {"orders/i1", "orders/i2"}, "each line says of whom it tells"
    assert len(re.findall(r"memory\.rss_bytes \d+\.\d MiB", done.stdout)) == 6
    assert len(re.findall(r"descriptors\.held \d+", done.stdout)) == 6
    assert "\x1b" not in done.stdout


def test_programs_get_one_document_per_look(calm: SmallMesh) -> None:
    done = run(calm, "health", "--count", "2", "--json")
    assert done.returncode == 0
    looks = [json.loads(line) for line in done.stdout.splitlines()]
    assert [look["answer"]["answered"] for look in looks] == [2, 2]
    single = run(calm, "health", "orders/i1", "--count", "2", "--json")
    assert [json.loads(line)["instance"] for line in single.stdout.splitlines()] == ["i1", "i1"]


def test_the_last_look_decides_how_it_ends(small: SmallMesh) -> None:
    small.watched["orders/i1"].freeze()
    assert run(small, "health", "orders/i1", "--count", "2").returncode == 1
    small.watched["orders/i1"].thaw()
    small.sidecars["orders/i2"].kill()
    done = run(small, "health", "orders", "--count", "1")
    assert done.returncode == 2
    assert "orders/i2 silent" in done.stdout


def test_it_is_drawn_in_place_and_ends_with_ctrl_c(small: SmallMesh) -> None:
    screen = Screen(watching(small, "resources", "orders"))
    try:
        wait_until(lambda: len(re.findall("[▁-█]{3}", screen.last())) >= 8, 30, "three looks are drawn")
        rows = screen.last().splitlines()
        assert len(rows) <= SIZE[0]
        assert max(map(len, rows[1:])) <= SIZE[1]
        assert "\x1b[1A" in screen.raw(), "the cursor goes up to draw it anew"
        small.sidecars["orders/i2"].kill()
        wait_until(lambda: "orders/i2 silent" in screen.last(), 30, "the silent one is named")
        screen.type(b"\x03")
        assert screen.ended() == 130
        assert "Traceback" not in screen.raw()
        assert "\x1b[?25h" in screen.raw(), "the cursor is shown again"
    finally:
        screen.close()


def test_a_server_that_is_gone_is_told_and_the_watch_goes_on(small: SmallMesh, tmp_path: Path) -> None:
    with Program(watching(small, "resources", "orders"), tmp_path / "watch.log", ENVIRONMENT) as watch:
        wait_until(lambda: "orders/i1" in watch.log_text(), 30, "the first look")
        small.server.kill()
        wait_until(lambda: "cannot look" in watch.log_text(), 30, "the loss is told")
        assert watch.running
        small.server.start()
        lost = watch.log_text().rindex("cannot look")
        wait_until(lambda: "orders/i1" in watch.log_text()[lost:], 60, "it goes on")
        watch.send(signal.SIGINT)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--every", "1"), "--every and --count belong to --watch"),
        (("--count", "1"), "--every and --count belong to --watch"),
        (("--watch", "--every", "0"), "say 0.2 to 3600 seconds"),
        (("--watch", "--count", "0"), "say 1 or more"),
    ],
)
def test_what_makes_no_watch_is_refused(words: tuple[str, ...], says: str) -> None:
    done = subprocess.run(
        [*COMMAND, "health", *words], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 64
    assert says in done.stderr


def test_a_first_look_that_fails_ends_it() -> None:
    command = [*COMMAND, "health", "--watch", "--nats", "nats://127.0.0.1:1"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
