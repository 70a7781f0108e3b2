"""Agents and rules of others, installed from wheels beside ours: served, judged, explained; what is broken is told."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from diagmesh.client import Mesh
from diagmesh.errors import NoResponders
from support.natsserver import NatsServer
from support.programs import Program
from support.wheels import Place, build, our_wheel

PROJECTS: Final = Path(__file__).resolve().parents[1] / "data" / "packages"
SPOOL, FULL = "spool", "REQ-900"
WAIT_S: Final = 30.0


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Our wheel and those of others, by name."""
    out = tmp_path_factory.mktemp("wheels")
    made = {name: build(PROJECTS / name, out) for name in ("acme", "broken", "rival")}
    return {"ours": our_wheel(tmp_path_factory.mktemp("tree"), out), **made}


@pytest.fixture(scope="module")
def place(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An environment with ours, one good package and one that is broken."""
    return Place(tmp_path_factory.mktemp("place"), wheels["ours"], wheels["acme"], wheels["broken"])


@contextmanager
def mesh_of(place: Place, server: NatsServer, spool: Path) -> Iterator[Program]:
    """A sidecar beside this process and a coordinator, both of that environment; gives the sidecar."""
    command = place.program("diagmesh")
    target = ["--service", "orders", "--instance", "i1", "--pid", str(os.getpid())]
    with ExitStack() as stack:
        logs = spool.parent
        sidecar = stack.enter_context(
            Program(
                [command, "sidecar", "--nats", server.url, *target, "--heartbeat", "0.5"],
                logs / "sidecar.log",
                {"ACME_SPOOL": str(spool)},
            )
        )
        stack.enter_context(
            Program([command, "coordinator", "--nats", server.url, "--heartbeat", "0.5"], logs / "coordinator.log")
        )
        yield sidecar


async def answered(mesh: Mesh, service: str, kind: str) -> dict[str, Any]:
    """The reply to one request, as any NATS client gets it, once there is somebody to give it."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                message = await mesh.bus.request(f"diag.{service}.{kind}", b"", timeout_s=WAIT_S)
            except NoResponders:
                await asyncio.sleep(0.1)
            else:
                reply: dict[str, Any] = json.loads(message.data)
                return reply


async def checked(mesh: Mesh, found: bool) -> dict[str, Any]:
    """The check of the mesh, once it says of the spool what it should."""
    async with asyncio.timeout(WAIT_S):
        while True:
            answer: dict[str, Any] = (await answered(mesh, "mesh", "check"))["answer"]
            verdicts = {one["code"]: one["verdict"] for one in answer["verdicts"]}
            if verdicts.get(FULL) == ("found" if found else "clear"):
                return answer
            await asyncio.sleep(0.2)


async def test_what_others_add_is_served_and_judged(place: Place, nats_server: NatsServer, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    orders = [spool / f"{number}.json" for number in range(4)]
    for order in orders:
        order.touch()
    with mesh_of(place, nats_server, spool) as sidecar:
        async with Mesh.connect(url=nats_server.url) as mesh:
            reply = await answered(mesh, "orders", SPOOL)
            assert reply["answer"] == {"waiting": 4, "folder": str(spool)}
            assert [one["code"] for one in reply["findings"]] == [FULL]

            full = await checked(mesh, found=True)
            (finding,) = [one for one in full["findings"] if one["code"] == FULL]
            assert (finding["instances"], finding["severity"]) == (["orders/i1"], "error")
            assert finding["advice"]["now"] == ["Look again: `diagmesh ask spool orders/i1`."]
            told = json.loads(place.diagmesh("check", "--code", FULL, "--nats", nats_server.url, "--json", code=2))
            assert [one["code"] for one in told["answer"]["findings"]] == [FULL]
            shown = place.diagmesh("ask", SPOOL, "orders/i1", "--nats", nats_server.url, code=1)
            assert "waiting" in shown

            broken = {one["code"]: one for one in full["verdicts"] if one["verdict"] == "broken"}
            assert list(broken) == ["broken_diag.rules.queue_deep"]
            assert "a_library_that_nobody_has" in broken["broken_diag.rules.queue_deep"]["reason"]
            refused = await answered(mesh, "orders", "queue-depth")
            assert (refused["status"], refused["problem"]["code"]) == ("unavailable", 501)
            assert "broken_diag.agents.queue_depth" in refused["problem"]["detail"]
            everybody = await answered(mesh, "mesh", "queue-depth")
            assert everybody["problem"]["code"] == 501
            assert (await answered(mesh, "orders", "health"))["status"] == "answered"
            log = sidecar.log_text()
            assert "broken_diag.agents.queue_depth is broken" in log
            assert "broken_diag.rules.queue_deep is broken" in log

            for order in orders[1:]:
                order.unlink()
            clear = await checked(mesh, found=False)
            assert FULL not in [one["code"] for one in clear["findings"]]


def test_what_others_add_is_explained_and_listed(place: Place) -> None:
    listed = place.diagmesh("explain", code=1)
    assert FULL in listed
    assert "Spool is full" in listed
    assert "broken: 1 module" in listed
    assert "broken_diag.rules.queue_deep: ModuleNotFoundError" in listed
    page = place.diagmesh("explain", FULL)
    assert page.startswith("# REQ-900 Spool is full")
    assert "`waiting_count`: 3" in page
    schemas = json.loads(place.diagmesh("schema", "--json", code=1))
    assert {"spool.question", "spool.answer", "spool.reply", "health.answer"} <= set(schemas)
    assert schemas["spool.answer"]["properties"]["waiting"]["type"] == "integer"


@pytest.mark.parametrize("process", ["sidecar", "coordinator"])
async def test_the_same_kind_twice_does_not_start_and_names_both(
    wheels: dict[str, Path], tmp_path: Path, nats_server: NatsServer, process: str
) -> None:
    place = Place(tmp_path, wheels["ours"], wheels["acme"], wheels["rival"])
    words = {"sidecar": ["--service", "orders", "--pid", str(os.getpid())], "coordinator": []}[process]
    with Program([place.program("diagmesh"), process, "--nats", nats_server.url, *words], tmp_path / "log") as program:
        assert await program.ended(WAIT_S) == 64
        both = "'spool' is declared twice: by acme_diag.agents.spool and by rival_diag.agents.spool"
        assert both in program.log_text()


def test_the_same_code_twice_is_refused_and_names_both(wheels: dict[str, Path], tmp_path: Path) -> None:
    place = Place(tmp_path, wheels["ours"], wheels["acme"], wheels["rival"])
    both = "'REQ-900' is declared twice: by acme_diag.rules.spool_full and by rival_diag.rules.spool_full"
    told = json.loads(place.diagmesh("explain", "--json", code=64))
    assert both in told["error"]["detail"]
