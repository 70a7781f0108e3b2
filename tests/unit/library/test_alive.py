"""Whoever started us hears that we are ready, that we live, and that we go; a file tells the same by its age."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from diagmesh.alive import alive
from diagmesh.errors import SettingsError


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    """Where systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(tmp_path / "notify"))
        door.setblocking(False)
        yield door


def words(door: socket.socket) -> list[str]:
    told = []
    while True:
        try:
            told.append(door.recv(100).decode())
        except BlockingIOError:
            return told


async def test_systemd_hears_ready_then_alive_then_stopping(heard: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": heard.getsockname(), "WATCHDOG_USEC": "200000", "WATCHDOG_PID": str(os.getpid())}
    async with alive("", environment):
        assert words(heard) == ["READY=1"]
        async with asyncio.timeout(30):
            while not (told := words(heard)):
                await asyncio.sleep(0.05)
        assert set(told) == {"WATCHDOG=1"}
        words(heard)
    assert words(heard)[-1] == "STOPPING=1"


async def test_the_watchdog_of_another_process_is_not_ours(heard: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": heard.getsockname(), "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}
    async with alive("", environment):
        await asyncio.sleep(0.4)
        assert words(heard) == ["READY=1"]


async def test_an_abstract_address_is_understood() -> None:
    name = f"diagmesh-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(f"\0{name}")
        door.setblocking(False)
        async with alive("", {"NOTIFY_SOCKET": f"@{name}"}):
            assert words(door) == ["READY=1"]


async def test_nobody_who_listens_and_nobody_who_reads_stop_us(tmp_path: Path, heard: socket.socket) -> None:
    async with alive("", {"NOTIFY_SOCKET": str(tmp_path / "nobody")}):
        pass
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.setblocking(False)
        filler.connect(heard.getsockname())
        with contextlib.suppress(BlockingIOError):
            while filler.send(b"x"):
                pass
    async with asyncio.timeout(30), alive("", {"NOTIFY_SOCKET": heard.getsockname()}):
        pass


async def test_the_file_is_touched_while_the_loop_turns_and_gone_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    async with alive(str(file), {"WATCHDOG_USEC": "200000"}):
        os.utime(file, (1, 1))
        async with asyncio.timeout(30):
            while file.stat().st_mtime < 2:
                await asyncio.sleep(0.05)
        assert file.stat().st_mode & 0o777 == 0o644
    assert not file.exists()


async def test_a_file_that_cannot_be_written_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"alive_file: cannot write .*/missing/alive: No such file"):
        async with alive(str(tmp_path / "missing" / "alive"), {}):
            pass
