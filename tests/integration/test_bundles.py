"""Files that no reply can carry lie in an object store of JetStream; what cannot be put there is told, and why."""

import asyncio
import base64
import gzip
import json
import os
import re
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
from diagmesh_cli.main import run
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
        said = await witness.request(f"$JS.API.STREAM.INFO.OBJ_{BUNDLES}", timeout=LONG_S)
        config = json.loads(said.data)["config"]
    assert (config["discard"], config["storage"], config["max_age"]) == ("new", "file", 86_400 * 10**9)
    assert config["max_bytes"] == 128 << 20


async def test_a_full_store_says_so_and_gets_no_half_files(make_server: MakeServer) -> None:
    server = make_server(jetstream=True).start()
    client = await nats.connect(server.url)
    subjects = [f"$O.{BUNDLES}.C.>", f"$O.{BUNDLES}.M.>"]
    config = {"name": f"OBJ_{BUNDLES}", "subjects": subjects, "discard": "new", "max_bytes": 300_000}
    config |= {"allow_rollup_hdrs": True, "allow_direct": True}
    asked = json.dumps(config).encode()
    made_ = await client.request(f"$JS.API.STREAM.CREATE.OBJ_{BUNDLES}", asked, timeout=LONG_S)
    assert "error" not in json.loads(made_.data)
    bus = await NatsBus.connect(NatsSettings(url=server.url), "test", timeout_s=LONG_S)
    objects = Objects(bus)
    with pytest.raises(StoreUnavailable, match="diag_bundles is full"):
        await objects.put("large", LARGE)
    info = await client.request(f"$JS.API.STREAM.INFO.OBJ_{BUNDLES}", timeout=LONG_S)
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

    def __init__(self, folder: Path, stack: ExitStack, *, jetstream: bool, file: bytes = LARGE) -> None:
        (folder / "nats").mkdir()
        self.url = stack.enter_context(NatsServer(folder / "nats", jetstream=jetstream)).url
        page = http_answer("200 OK", file, "Content-Type: application/octet-stream")
        door = stack.enter_context(scripted(answers(page)))
        self.sidecars: list[Program] = []
        for instance in ("i1", "i2"):
            beside = stack.enter_context(sleeper(folder / f"beside-{instance}.log"))
            settings = folder / f"{instance}.toml"
            settings.write_text(
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
            self.sidecars.append(self._sidecar(stack, folder, settings, instance))
        words: list[str | Path] = ["python", "-m", "diagmesh_coordinator", "--nats", self.url]
        self.coordinator = stack.enter_context(Program(words, folder / "coordinator.log"))

    @staticmethod
    def _sidecar(stack: ExitStack, folder: Path, file: Path, instance: str) -> Program:
        words: list[str | Path] = ["python", "-m", "diagmesh_agents", "--config", file]
        program = stack.enter_context(Program(words, folder / f"{instance}.log"))
        signs = (f"serving orders/{instance}", ": connected")  # it says the first before anybody can hear it
        wait_until(lambda: all(sign in program.log_text() for sign in signs), LONG_S, f"{instance} serves")
        return program

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


HUGE: Final = gzip.compress(os.urandom(32 << 20), 0)
"""No profile inside: it cannot be read, and is handed over nevertheless."""


def peak_mib(program: Program) -> float:
    """The most memory that it ever had."""
    status = Path(f"/proc/{program.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


@pytest.mark.timeout(300)
async def test_a_file_of_32_mib_is_put_away_piece_by_piece(tmp_path: Path) -> None:
    with ExitStack() as stack:
        replicas = Replicas(tmp_path, stack, jetstream=True, file=HUGE)
        await replicas.asked(type="cpu", raw=False)  # both are known, and nothing is put away twice
        answer = await replicas.asked()
        client = await nats.connect(replicas.url)
        for reply in answer["each"]:
            (raw,), (blind,) = reply["answer"]["raw"], reply["answer"]["blind"][-1:]
            assert (raw["size_bytes"], blind["what"]) == (len(HUGE), "what is counted")
            assert raw["object"].startswith(f"{BUNDLES}/orders/{reply['instance']}/heap-")
        assert await from_store(client, raw["object"]) == HUGE
        # Whoever has no store takes the pieces himself, from the instance.
        question = json.dumps({"file": raw["sha256"], "offset": len(HUGE) - 1000}).encode()
        said = json.loads((await client.request("diag.orders.profile.i2", question, timeout=LONG_S)).data)
        assert base64.b64decode(said["answer"]["raw"][0]["data"]) == HUGE[-1000:]
        unknown = b'{"file": "%s"}' % (b"0" * 64)
        other = json.loads((await client.request("diag.orders.profile.i2", unknown, timeout=LONG_S)).data)
        assert (other["status"], other["problem"]["code"]) == ("declined", 404)
        await client.close()
        for program in (*replicas.sidecars, replicas.coordinator):
            assert peak_mib(program) < 75, "no whole file is ever in memory"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("coordinator", [True, False])
def test_the_command_gets_a_file_that_no_reply_holds(
    coordinator: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = made([("main.main;main.keep", (1, 7))], types=TYPES)
    profile.string_table.extend(base64.b64encode(os.urandom(1 << 20)).decode() for _ in range(12))
    file = packed(profile)
    assert len(file) > 8 << 20
    with ExitStack() as stack:
        replicas = Replicas(tmp_path, stack, jetstream=False, file=file)
        if coordinator:
            asyncio.run(replicas.asked(raw=False))
        else:
            replicas.coordinator.stop()
        words = ["profile", "orders", "--type", "heap", "--raw", str(tmp_path / "heap.pb.gz"), "--timeout", "20"]
        code = run([*words, "--nats", replicas.url])
    said = capsys.readouterr()
    assert (code, "2 replicas added up" in said.out) == (0, True), said
    assert (tmp_path / "heap-i1.pb.gz").read_bytes() == (tmp_path / "heap-i2.pb.gz").read_bytes() == file


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
    (note,) = [note for note in answer["notes"] if "object store" in note]
    assert "JetStream is not enabled here" in note
    assert '"chunks": true' in note
    # One instance that keeps its file hands it over in pieces.
    (raw,) = answer["each"][0]["answer"]["raw"]
    assert ("data" in raw, raw["size_bytes"], raw["kept_s"]) == (False, len(LARGE), 300)
    got = b""
    client = await nats.connect(replicas.url)
    while len(got) < len(LARGE):
        question = json.dumps({"file": raw["sha256"], "offset": len(got)}).encode()
        subject = f"diag.orders.profile.{answer['each'][0]['instance']}"
        said = json.loads((await client.request(subject, question, timeout=LONG_S)).data)
        got += base64.b64decode(said["answer"]["raw"][0]["data"])
    await client.close()
    assert got == LARGE
