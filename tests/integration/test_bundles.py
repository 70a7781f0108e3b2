"""Files that no reply can carry lie in an object store of JetStream; what cannot be put there is told, and why."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, Final

import nats
import pytest

from diagmesh.bus.nats import NatsBus
from diagmesh.bus.nats.objects import BUNDLES, Objects
from diagmesh.errors import StoreUnavailable
from diagmesh.settings import NatsSettings
from support.doors import answers, http_answer, scripted
from support.natsserver import MakeServer, NatsServer
from support.permitting import Lab
from support.pprof import made, packed
from support.programs import Program, wait_until
from support.sidecars import sleeper

TYPES: Final = (("alloc_space", "bytes"), ("inuse_space", "bytes"))
LONG_S: Final = 90.0


def large() -> bytes:
    """A real heap profile of more than a message holds: of names that do not repeat, which gzip cannot shorten."""
    dice = Random(7)  # noqa: S311  the same file each time
    stacks = [(f"main.main;main.f{dice.randbytes(24).hex()}", (n + 1, n + 1)) for n in range(16_000)]
    return packed(made(stacks, types=TYPES))


LARGE: Final = large()


async def from_store(client: Any, reference: str) -> bytes:
    """A file, read by the client library."""
    bucket, _, name = reference.partition("/")
    store = await client.jetstream().object_store(bucket)
    return bytes((await store.get(name)).data)


async def test_the_coordinator_may_put_files_there_and_no_agent_may(make_server: MakeServer, tmp_path: Path) -> None:
    lab = Lab(make_server, tmp_path, "simple")

    async def bus_of(role: str, inbox: str) -> NatsBus:
        key = str(tmp_path / f"{role}.nk")
        settings = NatsSettings(url=lab.server.url, nkey_file=key, inbox_prefix=inbox)
        return await NatsBus.connect(settings, f"test of {role}", timeout_s=LONG_S)

    agent = await bus_of("agent-orders", "_INBOX_agent_orders")
    with pytest.raises(StoreUnavailable, match="may not publish") as refused:
        await Objects(agent).put("orders/i1/heap", b"x")
    assert refused.value.absent
    await agent.close()
    coordinator = await bus_of("coordinator", "_INBOX_coord")
    objects = Objects(coordinator)
    one, other = await objects.put("orders/i1/a heap", LARGE), await objects.put("orders/i2/empty", b"")
    await coordinator.close()
    assert (one, other) == (f"{BUNDLES}/orders/i1/a heap", f"{BUNDLES}/orders/i2/empty")
    async with lab.connected("witness-DIAG", set()) as witness:
        assert await from_store(witness, one) == LARGE
        assert await from_store(witness, other) == b""
        said = await witness.request(f"$JS.API.STREAM.INFO.OBJ_{BUNDLES}")
        config = json.loads(said.data)["config"]
    assert (config["discard"], config["storage"], config["max_age"]) == ("new", "file", 86_400 * 10**9)
    assert config["max_bytes"] == 128 << 20


async def test_a_full_store_says_so_and_gets_no_half_files(make_server: MakeServer) -> None:
    server = make_server(jetstream=True).start()
    client = await nats.connect(server.url)
    subjects = [f"$O.{BUNDLES}.C.>", f"$O.{BUNDLES}.M.>"]
    config = {"name": f"OBJ_{BUNDLES}", "subjects": subjects, "discard": "new", "max_bytes": 300_000}
    config |= {"allow_rollup_hdrs": True, "allow_direct": True}
    made_ = await client.request(f"$JS.API.STREAM.CREATE.OBJ_{BUNDLES}", json.dumps(config).encode())
    assert "error" not in json.loads(made_.data)
    bus = await NatsBus.connect(NatsSettings(url=server.url), "test", timeout_s=LONG_S)
    objects = Objects(bus)
    with pytest.raises(StoreUnavailable, match="diag_bundles is full"):
        await objects.put("large", LARGE)
    info = await client.request(f"$JS.API.STREAM.INFO.OBJ_{BUNDLES}")
    assert json.loads(info.data)["state"]["messages"] == 0
    assert await from_store(client, await objects.put("small", LARGE[:100_000])) == LARGE[:100_000]
    await bus.close()
    await client.close()


async def test_without_jetstream_there_is_no_store(make_server: MakeServer) -> None:
    bus = await NatsBus.connect(NatsSettings(url=make_server().start().url), "test", timeout_s=LONG_S)
    with pytest.raises(StoreUnavailable, match="JetStream is not enabled") as why:
        await Objects(bus).put("x", b"x")
    assert why.value.absent
    await bus.close()


class Replicas:
    """Two sidecars whose services have a large heap profile, and a coordinator."""

    def __init__(self, folder: Path, stack: ExitStack, *, jetstream: bool) -> None:
        (folder / "nats").mkdir()
        self.url = stack.enter_context(NatsServer(folder / "nats", jetstream=jetstream)).url
        page = http_answer("200 OK", LARGE, "Content-Type: application/octet-stream")
        door = stack.enter_context(scripted(answers(page)))
        for instance in ("i1", "i2"):
            beside = stack.enter_context(sleeper(folder / f"beside-{instance}.log"))
            file = folder / f"{instance}.toml"
            file.write_text(
                f"""heartbeat_s = 0.5
                [nats]
                url = "{self.url}"
                [[targets]]
                service = "orders"
                instance = "{instance}"
                pid = {beside.pid}
                [targets.go]
                pprof = "http://{door.address}/debug/pprof"
                """,
                encoding="utf-8",
            )
            self._sidecar(stack, folder, file, instance)
        words: list[str | Path] = ["python", "-m", "diagmesh_coordinator", "--nats", self.url]
        self.coordinator = stack.enter_context(Program(words, folder / "coordinator.log"))

    @staticmethod
    def _sidecar(stack: ExitStack, folder: Path, file: Path, instance: str) -> None:
        words: list[str | Path] = ["python", "-m", "diagmesh_agents", "--config", file]
        program = stack.enter_context(Program(words, folder / f"{instance}.log"))
        wait_until(lambda: f"serving orders/{instance}" in program.log_text(), LONG_S, f"{instance} serves")

    async def asked(self, **question: Any) -> dict[str, Any]:
        """The answer of the mesh, in one message, as `nats req` gets it."""
        body = json.dumps({"type": "heap", "raw": True, "each": True, "timeout_ms": 40_000, **question}).encode()
        client = await nats.connect(self.url)
        deadline = time.monotonic() + LONG_S
        try:
            while True:
                try:
                    reply = json.loads((await client.request("diag.mesh.profile", body, timeout=45)).data)
                    if reply.get("answer", {}).get("answered") == 2:
                        answer: dict[str, Any] = reply["answer"]
                        return answer
                except nats.errors.NoRespondersError:
                    reply = "nobody"
                assert time.monotonic() < deadline, reply
                await asyncio.sleep(0.3)
        finally:
            await client.close()


@pytest.fixture
def replicas(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Replicas]:
    with ExitStack() as stack:
        yield Replicas(tmp_path, stack, jetstream=request.param)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("replicas", [True], indirect=True)
async def test_files_that_do_not_fit_into_the_answer_of_the_mesh_are_put_away(replicas: Replicas) -> None:
    answer = await replicas.asked()
    assert sorted(reply["instance"] for reply in answer["each"]) == ["i1", "i2"]
    assert [note for note in answer["notes"] if "nats object get" in note]
    client = await nats.connect(replicas.url)
    for reply in answer["each"]:
        (raw,) = reply["answer"]["raw"]
        assert "data" not in raw
        assert raw["size_bytes"] == len(LARGE)
        assert raw["object"].startswith(f"{BUNDLES}/orders/{reply['instance']}/heap-")
        assert await from_store(client, raw["object"]) == LARGE
    await client.close()


async def test_the_nats_cli_gets_a_file_by_its_reference(
    make_server: MakeServer, nats_cli: Path, tmp_path: Path
) -> None:
    url = make_server(jetstream=True).start().url
    bus = await NatsBus.connect(NatsSettings(url=url), "test", timeout_s=LONG_S)
    bucket, _, name = (await Objects(bus).put("orders/i1/heap-1.pb.gz", LARGE)).partition("/")
    await bus.close()
    out = tmp_path / "out.pb.gz"
    words: list[str | Path] = [
        nats_cli,
        "object",
        "get",
        bucket,
        name,
        "--force",
        "--no-progress",
        "--output",
        out,
        "--server",
        url,
    ]
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}

    def got() -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=LONG_S, check=False)

    done = await asyncio.to_thread(got)
    assert done.returncode == 0, done.stdout + done.stderr
    assert out.read_bytes() == LARGE


@pytest.mark.timeout(300)
@pytest.mark.parametrize("replicas", [False], indirect=True)
async def test_where_there_is_no_store_the_answer_says_so(replicas: Replicas) -> None:
    answer = await replicas.asked()
    assert answer.get("each") is None
    (note,) = [note for note in answer["notes"] if "object store" in note]
    assert "JetStream is not enabled here" in note
    assert '"chunks": true' in note
