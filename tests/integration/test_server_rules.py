"""Faults of single nats-servers, really made: a real sidecar beside them, and a check by all rules, name each alone."""

import asyncio
import contextlib
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import nats
import pytest

from diagmesh.contract.findings import Severity
from diagmesh.settings import RuleSettings
from support.attending import Attended, Attending
from support.linked import login
from support.natsserver import NatsServer, find_nats_server
from support.operators import Operator, creds
from support.ports import free_port

_USERS: Final = "authorization { users = [{user: app, password: app}] }\n"
_LEAF_PORT: Final = free_port()
_LEAFS: Final = f'leafnodes {{ listen: "127.0.0.1:{_LEAF_PORT}" }}\n'
_STORES: Final = """system_account: SYS
accounts {
  SYS: { users: [ { user: sys, password: pw } ] }
  SHOP: { jetstream: { max_mem: 100KB, max_file: 100KB }, users: [ { user: app, password: app } ] }
}
"""
OPERATOR: Final = Operator(system=True, connections=10)
_MESSAGE: Final = b"PUB feed.a 10000\r\n" + b"x" * 10_000 + b"\r\n"
_SERVERS: Final[dict[str, dict[str, Any]]] = {
    "ready": {"jetstream": True},
    "busy": {"environment": {"GOMAXPROCS": "1"}},
    "blank": {"config": _USERS + _LEAFS},
    "shop": {"jetstream": True, "config": _STORES},
    "jwt": {"config": OPERATOR.config},
    # A reader that stands still is cut off after that time, however slowly the test gets on.
    "slow": {"config": _USERS + 'max_pending: 4MB\nwrite_deadline: "300s"\n'},
}
_RULES: Final = (
    # On a machine with other work a server may not get all of its core for long.
    RuleSettings(code="SRV-003", limits={"cpu_share": 0.4, "least_s": 1.0}),
)


def server_version() -> bytes:
    """That of the nats-server in use: ``2.15.1``."""
    said = subprocess.run([find_nats_server(), "--version"], capture_output=True, timeout=10, check=True).stdout
    return said.strip().rpartition(b"v")[2]


def before(version: bytes) -> bytes:
    """One that is older, of the same length."""
    return re.sub(rb"[1-9](?=[.0]*\Z)", lambda last: b"%d" % (int(last[0]) - 1), version)


def older(folder: Path) -> str:
    """The same program under an older version, which is all that differs: one wheel holds one version."""
    program = folder / "nats-server"
    version = server_version()
    found = Path(find_nats_server()).read_bytes()
    assert version in found
    program.write_bytes(found.replace(version, before(version)))
    program.chmod(0o755)
    return str(program)


def members(cluster: str, *names: str, **more: str) -> dict[str, dict[str, Any]]:
    """Servers that form a cluster, and what the configuration of some has more."""
    ports = {name: free_port() for name in names}
    routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports.values())
    block = "cluster {{ name: {}, listen: '127.0.0.1:{}', routes: [{}] }}\n"
    return {
        name: {"config": _USERS + block.format(cluster, port, routes) + more.get(name, "")}
        for name, port in ports.items()
    }


def gateway(name: str, port: int, **to: int) -> str:
    """A gateway under that name of the cluster, to others."""
    others = ", ".join(f"{{ name: {other}, url: 'nats://127.0.0.1:{there}' }}" for other, there in to.items())
    return f"gateway {{ name: {name}, listen: '127.0.0.1:{port}', gateways: [{others}] }}\n"


@pytest.fixture(scope="module")
def attending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attending]:
    mixed = members("mixed", "m1", "m2")
    mixed["m2"]["program"] = older(tmp_path_factory.mktemp("older"))
    east, west = free_port(), free_port()
    west_of = members("west", "w1", "w2", w1=gateway("west", west, east=east))
    east_of = members("east", "e1", e1=gateway("east", east, west=west))
    given_all = {**_SERVERS, **mixed, **west_of, **east_of}
    servers = {
        name: NatsServer(tmp_path_factory.mktemp(name), **{"config": _USERS, **given}, name=name, monitoring=True)
        for name, given in given_all.items()
    }
    with Attending(tmp_path_factory.mktemp("mesh"), servers) as attending:
        attending.begin(*_RULES)
        yield attending


def plug(server: NatsServer, name: str, *, window: int = 0) -> socket.socket:
    """A client of bytes, which does nothing by itself; ``window`` is what its kernel holds for it."""
    made = socket.socket()
    if window:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    made.settimeout(20)
    made.connect((server.host, server.port))
    made.recv(4096)
    said = f'"verbose":false,"pedantic":false,"name":"{name}","lang":"raw","version":"0","user":"app","pass":"app"'
    made.sendall(f"CONNECT {{{said}}}\r\nPING\r\n".encode())
    assert b"PONG" in made.recv(4096)
    return made


async def test_a_stream_that_could_not_be_recovered(attending: Attending) -> None:
    server = attending.servers["ready"].start()
    async with await nats.connect(login(server.url, "app")) as app, attending.asked() as asked:
        await app.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await asked.until(of=["ready"])
        server.stop()
        (sums,) = (server.directory / "store").rglob("ORDERS/meta.sum")
        sums.write_text("0" * 16, encoding="ascii")
        server.start()
        check = await asked.until("SRV-001", of=["ready"])
    (finding,) = check.findings
    assert finding.severity is Severity.ERROR
    assert finding.title == "ready is not ready: JetStream stream '$G > ORDERS' could not be recovered"
    server.close()


async def test_cpu_that_is_saturated(attending: Attending) -> None:
    server = attending.servers["busy"].start()
    stop = threading.Event()

    def flood() -> None:
        with plug(server, "flood") as talker:
            many = b"PUB a.b.c 1\r\nx\r\n" * 20_000
            while not stop.is_set():
                talker.sendall(many)

    flooding = [threading.Thread(target=flood) for _ in range(3)]
    async with attending.asked() as asked:
        await asked.until(of=["busy"])
        for one in flooding:
            one.start()
        try:
            check = await asked.until("SRV-003", of=["busy"])
        finally:
            stop.set()
            for one in flooding:
                one.join()
    assert check.findings[0].title.startswith("busy has used ")
    assert " of its 1 cores for " in check.findings[0].title
    server.close()


async def test_a_leafnode_whose_name_holds_a_blank(attending: Attending) -> None:
    server = attending.servers["blank"].start()
    async with attending.asked() as asked:
        await asked.until(of=["blank"])
        with socket.create_connection(("127.0.0.1", _LEAF_PORT), timeout=20) as leaf:
            leaf.recv(4096)
            # nats-server 2.15 refuses such names in its own configuration; what joins it may be older.
            said = '"version":"2.10.0","id":"LEAF","name":"edge site","user":"app","pass":"app","headers":true'
            leaf.sendall(f"CONNECT {{{said}}}\r\nPING\r\n".encode())
            check = await asked.until("SRV-006", of=["blank"])
        assert check.findings[0].title == "the name of the leafnode 'edge site' of blank holds a blank"
        await asked.until(of=["blank"])
    server.close()


async def test_an_account_near_the_storage_that_it_may_have(attending: Attending) -> None:
    server = attending.servers["shop"].start()
    async with await nats.connect(login(server.url, "app")) as app, attending.asked() as asked:
        await app.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await asked.until(of=["shop"])
        for _ in range(19):
            await app.jetstream().publish("orders.new", b"x" * 5000)
        check = await asked.until("SRV-011", of=["shop"])
        assert check.findings[0].title == "account SHOP uses 93.5 % of its JetStream storage"
        await app.jetstream().purge_stream("ORDERS")
        await asked.until(of=["shop"])
    server.close()


async def test_an_account_near_the_connections_that_its_jwt_lets_it_have(attending: Attending, tmp_path: Path) -> None:
    login = tmp_path / "app.creds"
    login.write_text(creds(*OPERATOR.user()))
    server = attending.servers["jwt"].start()
    async with contextlib.AsyncExitStack() as stack, attending.asked() as asked:
        for number in range(10):
            app = await nats.connect(server.url, user_credentials=str(login))
            await stack.enter_async_context(app)
            if number == 7:
                await asked.until(of=["jwt"])
            if number == 8:
                check = await asked.until("SRV-011", of=["jwt"])
                assert check.findings[0].severity is Severity.WARNING
        check = await asked.until(
            "SRV-011", of=["jwt"], also=lambda check: check.findings[0].severity is Severity.ERROR
        )
    assert check.findings[0].title == "account DIAG uses 100 % of its connections"
    server.close()


async def test_a_client_for_which_much_waits_and_then_those_who_write_to_it_are_held_up(attending: Attending) -> None:
    server = attending.servers["slow"].start()
    async with attending.asked() as asked:
        with plug(server, "reporter", window=4096) as slow, plug(server, "feeder") as feeder:
            slow.sendall(b"SUB feed.> 1\r\nPING\r\n")
            assert b"PONG" in slow.recv(4096)
            await asked.until(of=["slow"])
            await fill(asked, feeder, 0.55)
            check = await asked.until("SRV-027", of=["slow"])
            assert "wait at slow for reporter (feed.>)" in check.findings[0].title
            await fill(asked, feeder, 0.8)
            check = await asked.until("SRV-019", of=["slow"])
            assert check.findings[0].title == "slow held up publishers; most waits for reporter"
    server.close()


async def fill(asked: Attended, feeder: socket.socket, share: float) -> None:
    """Write until that share of what may wait for the reader waits."""
    while True:
        (most, *_) = (await asked.server("slow")).pending or (None,)
        if most is not None and (most.share or 0.0) >= share:
            return
        # The kernel takes some megabytes first; then so little that there are many steps up to the limit.
        feeder.sendall(_MESSAGE * (10 if most is not None else 100))


async def test_a_cluster_of_two_versions(attending: Attending) -> None:
    one, two = (attending.servers[name].start() for name in ("m1", "m2"))
    async with attending.asked() as asked:
        await asked.until(of=["m1"])
        check = await asked.until("SRV-010", of=["m1", "m2"], may=["SRV-026"])  # the route takes a moment
    old, new = before(server_version()).decode(), server_version().decode()
    assert check.findings[0].title == f"cluster mixed is mixed: 1 with {old}, 1 with {new}"
    assert check.findings[0].instances == ("nats/m2",)
    one.close()
    two.close()


async def test_a_server_that_lacks_the_gateway_of_its_cluster(attending: Attending) -> None:
    names = ["w1", "w2", "e1"]
    for name in names:
        attending.servers[name].start()
    async with attending.asked() as asked:
        check = await asked.until("SRV-013", of=names, may=["SRV-026"])
        assert check.findings[0].title == "w2 lacks the gateway to east"
        async with asyncio.timeout(60):  # a server turns to its gateways a second after its start
            while not (links := (await asked.server("w1")).gateways) or not links[0].connections:
                await asyncio.sleep(0.2)
        (link,) = links
        assert (link.name, link.connections) == ("east", 1)
    for name in names:
        attending.servers[name].close()
