"""`diagmesh init`: what it writes works on a real server, and can be changed without losing anybody."""

import asyncio
import json
import os
import re
import stat
from pathlib import Path
from typing import Final

import pytest

from diagmesh import keys
from diagmesh.bus.core import BusState, StateChange
from diagmesh.bus.nats import NatsBus
from diagmesh.errors import CannotConnect, DiagmeshError, NotPermitted
from diagmesh.settings import CoordinatorSettings, NatsSettings, SidecarSettings, load
from diagmesh_cli.commands.config_check import check_file
from diagmesh_cli.local import initial
from diagmesh_cli.local.permissions import LAYOUTS, Layout
from diagmesh_cli.main import run
from support.natsserver import MakeServer, NatsServer

_PATIENCE_S: Final = 20.0


def made(directory: Path, *more: str) -> int:
    return run(["init", str(directory), "--services", "orders,payments", *more])


def server_of(make_server: MakeServer, directory: Path) -> NatsServer:
    server = make_server(jetstream=True)
    path = os.path.relpath(
        directory / initial.SERVER_FILE, server.directory
    )  # an include is relative, whatever it says
    server.configure(f"server_name: test\ninclude '{path}'\n")  # a name from the command line forbids a reload
    return server.start()


def key_of(url: str, directory: Path, role: str, name: str = "") -> NatsSettings:
    inbox = next(one.inbox for one in initial.load(directory).roles if one.name == role)
    return NatsSettings(url=url, nkey_file=str(directory / "keys" / f"{name or role}.nk"), inbox_prefix=inbox)


async def until_refused(settings: NatsSettings) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            try:
                bus = await NatsBus.connect(settings, "test")
            except CannotConnect as error:
                if "credentials" in str(error):
                    return
            else:
                await bus.close()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_every_role_connects_and_the_settings_are_fine(
    layout: Layout, make_server: MakeServer, tmp_path: Path
) -> None:
    directory = tmp_path / "mesh"
    issued = initial.create(directory, initial.Issued(layout=layout, services=("orders", "my-api"), url="nats://x:1"))
    assert initial.load(directory) == issued
    assert initial.validate(directory)
    server = server_of(make_server, directory)
    for role in issued.roles:
        bus = await NatsBus.connect(key_of(server.url, directory, role.name), "test")
        assert bus.state.state is BusState.CONNECTED
        await bus.close()
    for file in (directory / "settings").iterdir():
        assert check_file(file).warnings == ()
    coordinator = load(CoordinatorSettings, str(directory / "settings" / "coordinator.toml"), {})
    assert coordinator.operators == issued.keys["operator"]
    sidecar = load(SidecarSettings, str(directory / "settings" / "sidecar-my-api.toml"), {})
    assert keys.public_key_of(Path(sidecar.nats.nkey_file)) == issued.keys["agent-my-api"][0]
    assert sidecar.nats.inbox_prefix == "_INBOX_agent_my-api"


def test_nobody_else_may_read_and_no_seed_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "mesh"
    assert made(directory, "--json") == 0
    shown = capsys.readouterr().out
    for path in (directory, *directory.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    seeds = [path.read_text().strip() for path in (directory / "keys").iterdir()]
    others = [path.read_text() for path in directory.rglob("*") if path.is_file() and path.suffix != ".nk"]
    assert len(seeds) == len(json.loads(shown)["handed"])
    assert not any(seed in text for seed in seeds for text in (*others, shown))


def test_nothing_is_overwritten_unless_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "mesh"
    directory.mkdir()
    (directory / "mine").write_text("precious")
    assert made(directory) == 64
    assert "not empty, so nothing was written" in capsys.readouterr().err
    assert made(directory, "--force") == 64
    assert "was not made by diagmesh init" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mesh"]
    assert [path.name for path in directory.iterdir()] == ["mine"]
    (directory / "mine").unlink()
    assert made(directory) == 0
    before = initial.load(directory).keys
    assert made(directory) == 64
    assert initial.load(directory).keys == before
    assert made(directory, "--force") == 0
    assert initial.load(directory).keys.keys() == before.keys()
    assert not set(initial.load(directory).keys.values()) & set(before.values())
    assert [path.name for path in tmp_path.iterdir()] == ["mesh"]


def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "mesh"
    asked = initial.Issued(layout="simple", services=("orders",), url="nats://x:1")
    issued = initial.create(directory, asked)
    monkeypatch.setattr(initial, "server_text", lambda _: "accounts: { DIAG: { users: 3 } }")
    with pytest.raises(DiagmeshError, match="nats-server does not accept"):
        initial.create(directory, asked, force=True)
    with pytest.raises(DiagmeshError, match="nats-server does not accept"):
        initial.create(tmp_path / "other", asked)
    assert initial.load(directory) == issued
    assert [path.name for path in tmp_path.iterdir()] == ["mesh"]


async def test_a_key_is_changed_without_losing_anybody(make_server: MakeServer, tmp_path: Path) -> None:
    directory, handed_out = tmp_path / "mesh", tmp_path / "old.nk"
    assert made(directory) == 0
    server = server_of(make_server, directory)
    handed_out.write_bytes((directory / "keys" / "agent-orders.nk").read_bytes())
    old = NatsSettings(url=server.url, nkey_file=str(handed_out), inbox_prefix="_INBOX_agent_orders")
    working = await NatsBus.connect(old, "test")
    changes: list[StateChange] = []
    working.watch(changes.append)
    assert run(["init", str(directory), "--rotate", "agent-orders"]) == 0
    server.reload()
    new = key_of(server.url, directory, "agent-orders")
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            try:
                bus = await NatsBus.connect(new, "test")
                break
            except CannotConnect:
                await asyncio.sleep(0.05)
    await working.barrier()
    assert changes == []  # who has the old key never noticed
    assert run(["init", str(directory), "--rotate", "agent-orders"]) == 64
    assert run(["init", str(directory), "--rotate-finish", "agent-orders"]) == 0
    server.reload()
    await until_refused(old)
    await bus.barrier()
    assert initial.load(directory).rotating == ()
    assert not (directory / "keys" / "agent-orders.before.nk").exists()
    await bus.close()
    await working.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "say one of --services"),
        (["--services", ","], "name at least one"),
        (["--services", "Orders"], "no legal name"),
        (["--services", "orders", "--rotate", "reader"], "say one of"),
        (["--services", "orders", "--tls-ca", "/nowhere/ca.pem"], "there is no file /nowhere/ca.pem"),
        (["--rotate", "reader"], "was not made by diagmesh init"),
    ],
)
def test_mistakes_are_told_in_a_line(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", str(tmp_path / "mesh"), *words]) == 64
    told = capsys.readouterr().err
    assert says in told
    assert len(told.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("role", "words", "says"),
    [
        ("observer", ["ask", "health", "orders"], r"may not publish diag\..* \(role observer, by its key file\)"),
        ("agent-orders", ["status"], r"may not publish diag\..* \(role agent-orders, by its key file\)"),
    ],
)
def test_who_is_refused_hears_it_at_once_with_the_role(
    role: str,
    words: list[str],
    says: str,
    make_server: MakeServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    directory = tmp_path / "mesh"
    assert made(directory) == 0
    server = server_of(make_server, directory)
    settings = key_of(server.url, directory, role)
    who = ["--nats", server.url, "--nkey-file", settings.nkey_file, "--inbox-prefix", settings.inbox_prefix]
    # The bound is that of the test itself: a refusal that is waited for would take ten minutes.
    assert run([*words, *who, "--timeout", "600"]) == 3
    told = capsys.readouterr().err
    assert re.search(says, told)
    assert len(told.splitlines()) == 1


async def test_a_reader_who_would_control_is_refused_at_once(make_server: MakeServer, tmp_path: Path) -> None:
    directory = tmp_path / "mesh"
    assert made(directory) == 0
    server = server_of(make_server, directory)
    bus = await NatsBus.connect(key_of(server.url, directory, "reader"), "test")
    with pytest.raises(NotPermitted, match=r"may not publish diagctl\.mesh\.forget \(role reader, by its key file\)"):
        await asyncio.wait_for(bus.request("diagctl.mesh.forget", timeout_s=600), _PATIENCE_S)
    await bus.close()
