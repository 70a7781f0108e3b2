"""All servers of a cluster: added up over the mesh, and seen by a system account exactly as by their endpoints."""

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from msgspec.structs import replace

from diagmesh.adapters.monitordoor import monitor_of
from diagmesh.adapters.natsmon.account import SUBJECTS
from diagmesh.adapters.observer import Observer
from diagmesh.bus.nats import NatsBus
from diagmesh.contract.answers.server import Server
from diagmesh.diagnose import Diagnosis
from diagmesh.errors import NotPermitted, Unavailable
from diagmesh.monitoring import MonitorDoor
from diagmesh.settings import NatsServerSettings, NatsSettings
from support.buses import is_connected, until
from support.house import ROOT
from support.programs import Program
from support.ruling import codes
from support.serving import door_to, judged, look
from support.threesome import NODES, Threesome

_PATIENCE_S: Final = 60.0


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Threesome]:
    with Threesome(tmp_path_factory.mktemp("three")) as three:
        yield three


@contextlib.asynccontextmanager
async def seen_by(settings: NatsServerSettings) -> AsyncIterator[tuple[MonitorDoor, NatsBus]]:
    """The door by the system account, as the sidecar opens it."""
    assert settings.system is not None
    bus = NatsBus(settings.system, "diag-monitor/nats/n2")
    bus.start()
    try:
        await until(is_connected(bus))
        yield monitor_of(settings, "nats/n2", "nats_server", Observer(bus)), bus
    finally:
        await bus.close()


async def settled(door: MonitorDoor, *wanted: str, also: Callable[[Server], bool] = lambda _: True) -> Server:
    """Looks until exactly these codes are found."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        seen = await look(door)
        diagnosis: Diagnosis = judged([seen])
        if codes(diagnosis) == list(wanted) and also(seen):
            return seen
        assert time.monotonic() < deadline, [one.title for one in diagnosis.findings]
        await asyncio.sleep(0.3)


def steady(seen: Server) -> Server:
    """Without what differs between two looks a moment apart."""
    meta = seen.meta
    return replace(
        seen,
        at=None,
        load=replace(seen.load, **{field: 0 for field in seen.load.__struct_fields__ if field != "connections"}),
        rates=None,
        pending=(),
        jetstream=replace(seen.jetstream, api_requests=0) if seen.jetstream is not None else None,
        meta=replace(meta, peers=tuple(replace(one, heard_s=None, lag=0) for one in meta.peers)) if meta else None,
        routes=tuple(replace(one, rtt_ms=None, pending_bytes=0) for one in seen.routes),
        accounts=tuple(sorted(one.name for one in seen.accounts)),
    )


async def test_a_system_account_tells_what_the_endpoint_tells(three: Threesome) -> None:
    async with seen_by(three.system("n1", "n2")) as (door, _):
        await settled(door, also=lambda seen: len(seen.routes) == 2)
        deadline = time.monotonic() + _PATIENCE_S
        while True:  # a route is several connections, which come one after the other; so clients go
            seen, by_http = await look(door), await look(door_to(three.nodes["n2"]))
            if steady(seen) == steady(by_http) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.3)
    assert seen.name == "n2"
    assert seen.blind == ()
    assert seen.rates is not None
    assert steady(seen) == steady(by_http)
    intruder = socket.create_connection((three.nodes["n2"].host, three.nodes["n2"].port), timeout=10)
    intruder.sendall(b'CONNECT {"verbose":false,"user":"app","pass":"wrong"}\r\nPING\r\n')
    intruder.close()
    await settled(door_to(three.nodes["n2"]), "SRV-021")
    async with seen_by(three.system("n1", "n2")) as (door, _):
        await settled(door, "SRV-021")


def test_the_page_gives_its_user_what_it_needs_and_no_more() -> None:
    page = (ROOT / "deploy" / "nats" / "README.md").read_text(encoding="utf-8")
    section = page[page.index("## Servers by their system account") :]
    assert re.findall(r'"(\$SYS[^"]*)"', section[: section.index("\n## ")]) == list(SUBJECTS)


def test_the_settings_name_one_way_to_a_server() -> None:
    system = NatsSettings()
    both: dict[str, Any] = {"monitor": "http://h:1", "system": system}
    for wrong in ({}, both, {"system": system, "tls_ca_file": "ca.pem"}):
        with pytest.raises(ValueError, match="nats_server"):
            NatsServerSettings(**wrong)
    with pytest.raises(ValueError, match="name of nats_server is for system"):
        NatsServerSettings(monitor="http://h:1", name="n1")


async def test_without_a_name_it_is_the_server_of_the_connection(three: Threesome) -> None:
    async with seen_by(three.system("n3")) as (door, _):
        assert (await look(door)).name == "n3"
        assert door.place == "n3 by its system account"


async def test_its_user_may_ask_and_do_nothing(three: Threesome) -> None:
    async with seen_by(three.system("n1")) as (door, bus):
        seen = await look(door)
        for deed in ("KICK", "LDM", "RELOAD", "PROFILEZ"):
            with pytest.raises(NotPermitted):
                await bus.request(f"$SYS.REQ.SERVER.{seen.id}.{deed}", b'{"cid": 1}', timeout_s=5.0)
        assert (await look(door)).start == seen.start


async def test_a_server_that_is_not_there_is_unavailable_with_the_reason(three: Threesome) -> None:
    async with seen_by(three.system("n1", "n7")) as (door, _):
        with pytest.raises(Unavailable, match="no answer") as caught:
            await look(door)
    assert "a server of the name n7 runs" in caught.value.hint


def test_nats_req_hears_of_all_servers_of_the_cluster(three: Threesome, nats_cli: Path, tmp_path: Path) -> None:
    targets = [f'[targets.nats_server]\nmonitor = "{three.nodes["n1"].monitor_url}"']
    for name in NODES[1:]:
        given = three.system("n1", name)
        assert given.system is not None
        targets.append(
            f'[targets.nats_server]\nname = "{name}"\n[targets.nats_server.system]\nurl = "{given.system.url}"\n'
            f'nkey_file = "{given.system.nkey_file}"\ninbox_prefix = "{given.system.inbox_prefix}"'
        )
    url = three.nodes["n2"].url
    settings = tmp_path / "sidecar.toml"
    settings.write_text(
        f'heartbeat_s = 0.5\n[nats]\nurl = "{url}"\n'
        + "\n".join(
            f'[[targets]]\nservice = "nats"\ninstance = "{name}"\npid = {three.nodes[name].pid}\n{more}'
            for name, more in zip(NODES, targets, strict=True)
        )
    )
    sidecar = [sys.executable, "-m", "diagmesh_agents", "--config", str(settings)]
    coordinator = [sys.executable, "-m", "diagmesh_coordinator", "--nats", url, "--heartbeat", "0.5"]
    with Program(sidecar, tmp_path / "sidecar.log"), Program(coordinator, tmp_path / "coordinator.log"):
        answer = _until_complete(nats_cli, url, tmp_path)
        told = subprocess.run(
            [sys.executable, "-m", "diagmesh_cli", "ask", "servers", "--nats", url, "--timeout", "15", "--json"],
            capture_output=True,
            cwd=ROOT,
            timeout=60,
            check=False,
        )
    assert (answer["of"], answer["silent"]) == ("server", [])
    assert [one["name"] for one in answer["merged"]["servers"]] == list(NODES)
    assert told.returncode in (0, 1), told.stderr  # a server may still remember the intruder of another test
    assert orjson.loads(told.stdout)["answer"]["answered"] == 3


def _until_complete(nats_cli: Path, url: str, home: Path) -> dict[str, Any]:
    """The answer of ``nats req`` once all three are heard."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("NATS_")}
    environment = {**clean, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "NATS_URL": url}
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        words = [str(nats_cli), "req", "diag.mesh.servers", '{"timeout_ms": 9000}', "--timeout=12s", "--raw"]
        done = subprocess.run(words, env=environment, capture_output=True, timeout=30, check=False)
        reply = orjson.loads(done.stdout) if done.stdout.startswith(b"{") else {}
        answer: dict[str, Any] = reply.get("answer", {})
        if answer.get("answered") == 3:
            assert reply["kind"] == "servers"
            return answer
        assert time.monotonic() < deadline, done.stdout + done.stderr
        time.sleep(0.5)
