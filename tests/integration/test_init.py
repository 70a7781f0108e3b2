"""`diagmesh init`: what it writes works on a real server, and can be changed without losing anybody."""

import asyncio
import fcntl
import json
import os
import re
import stat
import subprocess
import sys
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
from diagmesh_cli.local import issued as issued_texts
from diagmesh_cli.local.issued import SERVER_FILE, Issued
from diagmesh_cli.local.issued import load as issued_in
from diagmesh_cli.local.permissions import LAYOUTS, Layout
from diagmesh_cli.main import run
from support.house import ROOT
from support.interrupted import copies
from support.natsserver import MakeServer, NatsServer

_PATIENCE_S: Final = 20.0


def made(directory: Path, *more: str) -> int:
    return run(["init", str(directory), "--services", "orders,payments", *more])


def server_of(make_server: MakeServer, directory: Path, *, jetstream: bool = True) -> NatsServer:
    server = make_server(jetstream=jetstream)
    path = os.path.relpath(directory / SERVER_FILE, server.directory)  # an include is relative, whatever it says
    server.configure(f"server_name: test\ninclude '{path}'\n")  # a name from the command line forbids a reload
    return server.start()


def key_of(url: str, directory: Path, role: str, name: str = "") -> NatsSettings:
    inbox = next(one.inbox for one in issued_in(directory).roles if one.name == role)
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
    issued = initial.create(directory, Issued(layout=layout, services=("orders", "my-api"), url="nats://x:1"))
    assert issued_in(directory) == issued
    assert initial.validate(directory)
    server = server_of(make_server, directory)
    for role in issued.roles:
        bus = await NatsBus.connect(key_of(server.url, directory, role.name), "test")
        assert bus.state.state is BusState.CONNECTED
        await bus.close()
    for file in (directory / "settings").glob("*.toml"):
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
    before = issued_in(directory).keys
    assert made(directory) == 64
    assert issued_in(directory).keys == before
    assert made(directory, "--force") == 0
    assert issued_in(directory).keys.keys() == before.keys()
    assert not set(issued_in(directory).keys.values()) & set(before.values())
    assert [path.name for path in tmp_path.iterdir()] == ["mesh"]


def test_a_place_that_cannot_be_written_is_a_wrong_argument(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert made(tmp_path / "file" / "mesh") == 64
    assert capsys.readouterr().err.startswith("diagmesh: cannot write")


def test_the_settings_say_where_to_connect_and_how_to_go_on(tmp_path: Path) -> None:
    assert made(tmp_path / "mesh") == 0
    for name in ("coordinator", "sidecar-orders"):
        text = (tmp_path / "mesh" / "settings" / f"{name}.toml").read_text(encoding="utf-8")
        assert f"diagmesh {name.partition('-')[0]} --config FILE" in text
        assert 'url = "nats://127.0.0.1:4222"\n' in text
        assert all(len(line) <= 80 for line in text.splitlines() if line.startswith("#"))


def test_it_tells_that_the_server_has_no_jetstream_by_itself_and_what_gives_it_one(
    make_server: MakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "mesh"
    assert made(directory) == 0
    lines = capsys.readouterr().out.splitlines()
    told = lines.index('no JetStream until it says where to keep data: jetstream { store_dir: "/DIR" };')
    assert max(map(len, lines[told - 1 :])) <= 80
    path = directory / SERVER_FILE
    text = path.read_text("utf-8")
    (line,) = (line for line in text.splitlines() if line.startswith("# jetstream {"))
    path.write_text(text.replace(line, line.removeprefix("# ").replace("/var/lib/nats", str(tmp_path / "js"))), "utf-8")
    server_of(make_server, directory, jetstream=False)
    assert (tmp_path / "js" / "jetstream").is_dir()
    assert run(["init", str(directory), "--add", "billing"]) == 0
    assert "JetStream" not in capsys.readouterr().out, "it was told already"
    assert str(tmp_path / "js") in path.read_text("utf-8")


def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "mesh"
    asked = Issued(layout="simple", services=("orders",), url="nats://x:1")
    issued = initial.create(directory, asked)
    monkeypatch.setattr(issued_texts, "server_text", lambda _: "accounts: { DIAG: { users: 3 } }")
    with pytest.raises(DiagmeshError, match="nats-server does not accept"):
        initial.create(directory, asked, force=True)
    with pytest.raises(DiagmeshError, match="nats-server does not accept"):
        initial.create(tmp_path / "other", asked)
    assert issued_in(directory) == issued
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
    assert issued_in(directory).rotating == ()
    assert not (directory / "keys" / "agent-orders.before.nk").exists()
    await bus.close()
    await working.close()


def accepted_of(directory: Path, role: str) -> tuple[str, ...]:
    """The keys of a role that the server's configuration accepts, and which the manifest must know."""
    known = issued_in(directory).keys[role]
    text = (directory / SERVER_FILE).read_text(encoding="utf-8")
    assert all(key in text for key in known)
    assert text.count("nkey: ") == sum(map(len, issued_in(directory).keys.values()))
    return known


def test_a_change_of_key_that_is_killed_anywhere_leaves_the_old_or_the_new_state(tmp_path: Path) -> None:
    directory = tmp_path / "mesh"
    assert made(directory) == 0
    before = issued_in(directory)
    words = [sys.executable, "-m", "support.interrupted", str(directory), "operator"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    kills = int(done.stdout)
    assert kills > 15, "seeds, configuration, settings and manifest: written, decided, moved"
    states = []
    for copy in copies(directory, kills):
        # As it lies there: the server takes the key of every holder.
        assert keys.public_key_of(copy / "keys" / "operator.nk") in (copy / SERVER_FILE).read_text(encoding="utf-8")
        assert initial.validate(copy)
        assert run(["init", str(copy), "--rotate", "sysadmin"]) == 0  # whoever comes next brings it to its end
        now = issued_in(copy)
        states.append(now.keys["operator"] == before.keys["operator"])
        accepted = accepted_of(copy, "operator")
        assert keys.public_key_of(copy / "keys" / "operator.nk") == accepted[0]
        coordinator = load(CoordinatorSettings, str(copy / "settings" / "coordinator.toml"), {})
        assert coordinator.operators == accepted
        assert {path.name for path in copy.iterdir()} == {"issued.json", "keys", "settings", SERVER_FILE}
        assert all((copy / "keys" / f"{role}.nk").exists() for role in before.keys)
    assert states == sorted(states, reverse=True), "old up to one step, new from there on"
    assert {True, False} == set(states)


def test_whoever_works_in_the_directory_goes_on(tmp_path: Path) -> None:
    directory = tmp_path / "mesh"
    assert made(directory) == 0
    inodes = {path: path.stat().st_ino for path in (directory, directory / "keys", directory / "settings")}
    for words in (["--rotate", "reader"], ["--rotate-finish", "reader"], ["--add", "billing"]):
        assert run(["init", str(directory), *words]) == 0
    assert made(directory, "--force") == 0
    assert {path: path.stat().st_ino for path in inodes} == inodes, "a server there reads its file again by this path"
    assert not (directory / "settings" / "sidecar-billing.toml").exists()
    assert not (directory / "keys" / "agent-billing.nk").exists()


def test_two_changes_at_a_time_are_one_too_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "mesh"
    assert made(directory) == 0
    held = os.open(directory, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        assert run(["init", str(directory), "--rotate", "reader"]) == 64
    finally:
        os.close(held)
    assert "another diagmesh init is at work" in capsys.readouterr().err
    assert issued_in(directory).rotating == ()


async def test_a_service_is_added_and_nobody_elses_files_change(
    make_server: MakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "mesh"
    assert made(directory) == 0
    server = server_of(make_server, directory)
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert run(["init", str(directory), "--add", "billing", "--json"]) == 0
    assert [one["role"] for one in json.loads(capsys.readouterr().out)["handed"]] == ["agent-billing"]
    after = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    changed = {path.name for path, content in before.items() if after[path] != content}
    assert changed == {SERVER_FILE, "issued.json"}
    assert {path.name for path in after.keys() - before.keys()} == {"agent-billing.nk", "sidecar-billing.toml"}
    assert stat.S_IMODE((directory / "keys" / "agent-billing.nk").stat().st_mode) == 0o600
    server.reload()
    settings = key_of(server.url, directory, "agent-billing")
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            try:
                bus = await NatsBus.connect(settings, "test")
                break
            except CannotConnect:
                await asyncio.sleep(0.05)
    await bus.subscribe("diag.billing.*", lambda _: None)
    await bus.barrier()
    assert bus.state.reason == ""
    await bus.close()
    assert check_file(directory / "settings" / "sidecar-billing.toml").warnings == ()
    assert run(["init", str(directory), "--add", "orders"]) == 64
    assert "orders: in " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["settings/sidecar-billing.toml", "keys/agent-billing.nk"])
def test_what_somebody_made_for_a_service_is_not_replaced_when_it_is_added(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "mesh"
    assert made(directory) == 0
    (directory / name).write_text("# made by hand\n")
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    assert run(["init", str(directory), "--add", "billing"]) == 64
    assert f"{name} is there already" in " ".join(capsys.readouterr().err.split())
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before
    (directory / name).unlink()
    assert run(["init", str(directory), "--add", "billing"]) == 0


def test_a_directory_that_was_moved_is_changed_where_it_must_be(tmp_path: Path) -> None:
    made_at, directory = tmp_path / "mesh", tmp_path / "moved"
    assert made(made_at) == 0
    made_at.rename(directory)
    before = (directory / "settings" / "sidecar-orders.toml").read_bytes()
    assert run(["init", str(directory), "--add", "billing"]) == 0
    assert (directory / "settings" / "sidecar-orders.toml").read_bytes() == before
    assert str(directory / "keys") in (directory / "settings" / "sidecar-billing.toml").read_text(encoding="utf-8")
    assert run(["init", str(directory), "--rotate", "operator"]) == 0
    assert check_file(directory / "settings" / "coordinator.toml").warnings == ()
    settings = load(CoordinatorSettings, str(directory / "settings" / "coordinator.toml"), {})
    assert settings.operators == issued_in(directory).keys["operator"]


def test_what_somebody_wrote_into_the_files_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "mesh"
    assert made(directory) == 0
    server, coordinator = directory / SERVER_FILE, directory / "settings" / "coordinator.toml"
    own = f'      {{ nkey: "{keys.generate().public}" }}\n'
    text = server.read_text(encoding="utf-8")
    app = text.index("  APP: {")
    users = text.index("users: [\n", app) + len("users: [\n")
    server.write_text(text[:users] + own + text[users:] + "max_connections: 100\n", encoding="utf-8")
    coordinator.write_text("forget_after_s = 60.0\n" + coordinator.read_text(encoding="utf-8"), encoding="utf-8")
    (directory / "notes.txt").write_text("mine")
    for words in (["--rotate", "operator"], ["--add", "billing"], ["--rotate-finish", "operator"]):
        assert run(["init", str(directory), *words]) == 0
        told = server.read_text(encoding="utf-8")
        assert own in told
        assert told.endswith("max_connections: 100\n")
        assert all(key in told for accepted in issued_in(directory).keys.values() for key in accepted)
        settings = load(CoordinatorSettings, str(coordinator), {})
        assert (settings.forget_after_s, settings.operators) == (60.0, issued_in(directory).keys["operator"])
    assert (directory / "notes.txt").read_text() == "mine"
    coordinator.write_text(coordinator.read_text(encoding="utf-8").replace("operators = [", "operators = ['x', "))
    capsys.readouterr()
    assert run(["init", str(directory), "--rotate", "operator", "--json"]) == 0
    (first, *_) = json.loads(capsys.readouterr().out)["left"]
    assert first.startswith("coordinator.toml was edited just there; it should say operators = [")
    server.write_text("# nothing of it is left\n", encoding="utf-8")
    assert run(["init", str(directory), "--add", "audit"]) == 64
    assert "was edited just where this would change it, so nothing was changed" in capsys.readouterr().err
    assert "audit" not in issued_in(directory).services


@pytest.mark.parametrize("person", ["reader", "operator"])
def test_people_source_their_settings_and_ask(
    person: str,
    make_server: MakeServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = tmp_path / "it is mine"
    assert made(directory) == 0
    server = server_of(make_server, directory)
    command = ["/bin/sh", "-c", '. "$1" && env', "sh", str(directory / "settings" / f"{person}.env")]
    told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    for line in told.splitlines():
        if line.startswith("DIAGMESH_"):
            monkeypatch.setenv(*line.split("=", 1))
    capsys.readouterr()
    assert run(["status", "--nats", server.url]) == 3
    assert "0 of 0 instances answered" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "say one of --services"),
        (["--services", ","], "name at least one"),
        (["--services", "Orders"], "no legal name"),
        (["--services", "orders", "--rotate", "reader"], "say one of"),
        (["--services", "orders", "--tls-ca", "/nowhere/ca.pem"], "there is no file /nowhere/ca.pem"),
        (["--rotate", "reader"], "was not made by diagmesh init"),
        (["--add", "orders"], "was not made by diagmesh init"),
        (["--add", ","], "--add: name at least one"),
        (["--add", "orders", "--services", "payments"], "say one of"),
        (["--services", "orders", "--nats", ""], "nats.url: no server URL"),
        (["--services", "orders", "--nats", "nats://a b"], "nats.url: malformed"),
        (["--services", "orders", "--nats", "http://a:8222"], "nats.url: http:// is not spoken here"),
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
    assert run([*words, *who, "--timeout", "600"]) == 2
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
