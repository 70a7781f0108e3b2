"""The agent `server` beside real nats-servers: every fault is made, named, and no other one is."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.findings import Severity
from diagmesh.diagnose import Diagnosis
from diagmesh.errors import Unavailable
from diagmesh.monitoring import MonitorDoor
from support.certificates import Authority
from support.natsserver import MakeServer, NatsServer
from support.ruling import codes, found
from support.serving import door_to, judged, look, told_by

_USERS: Final = "authorization { users = [{user: app, password: pw}] }\n"
_LOGIN: Final = '"user":"app","pass":"pw"'
_PATIENCE_S: Final = 40.0


class Raw:
    """A client of bytes: it does what the test says and nothing else, so that it can be slow, silent or wrong."""

    def __init__(self, server: NatsServer, name: str = "raw", login: str = _LOGIN) -> None:
        self.plug = socket.create_connection((server.host, server.port), timeout=10)
        self.plug.recv(4096)
        told = f'"verbose":false,"pedantic":false,"name":"{name}","lang":"raw","version":"0",{login}'
        self.send(f"CONNECT {{{told}}}\r\nPING\r\n")
        self.said = self.hear(b"PONG\r\n", b"-ERR")

    def hear(self, *words: bytes) -> bytes:
        """Wait until it says one of these; a PING of the server may come before."""
        heard = b""
        while not any(one in heard for one in words):
            more = self.plug.recv(65_536)
            assert more, heard
            heard += more
        return heard

    def send(self, text: str | bytes) -> None:
        self.plug.sendall(text.encode() if isinstance(text, str) else text)

    def close(self) -> None:
        self.plug.close()


@contextlib.contextmanager
def clients(server: NatsServer, *names: str) -> Iterator[list[Raw]]:
    made = [Raw(server, name) for name in names]
    try:
        yield made
    finally:
        for one in made:
            one.close()


def refused(seen: Server) -> int:
    """How many connections were refused because it had as many as it may."""
    return sum(one.count for one in seen.signs if one.kind is SignKind.CONNECTIONS_EXCEEDED)


async def until(door: MonitorDoor, *wanted: str) -> Diagnosis:
    """Looks until exactly these codes are found; fails with what was found instead."""
    deadline, seen = time.monotonic() + _PATIENCE_S, None
    while time.monotonic() < deadline:
        diagnosis = await told_by(door)
        seen = codes(diagnosis)
        if seen == list(wanted):
            return diagnosis
        await asyncio.sleep(0.3)
    raise AssertionError(f"wanted {wanted}, found {seen}")


async def test_a_server_that_is_well_has_no_finding_and_its_numbers_are_true(make_server: MakeServer) -> None:
    server = make_server(monitoring=True, jetstream=True, config=_USERS).start()
    async with asyncio.timeout(_PATIENCE_S):
        while (await look(door_to(server))).load.connections:  # whoever looked whether it greets has to be gone
            await asyncio.sleep(0.05)
    door = door_to(server)
    with clients(server, "orders-svc", "payments-svc") as (one, two):
        two.send("SUB feed.> 1\r\nPING\r\n")
        await asyncio.to_thread(two.hear, b"PONG\r\n")
        first = await look(door)
        one.send("PUB feed.a 5\r\nhello\r\n" * 100 + "PING\r\n")
        await asyncio.to_thread(one.hear, b"PONG\r\n")
        second = await look(door)
        assert codes(judged([second])) == []
    assert (first.load.connections, second.load.connections) == (2, 2)
    assert (second.load.in_msgs - first.load.in_msgs, second.load.out_msgs - first.load.out_msgs) == (100, 100)
    assert second.rates is not None
    assert second.rates.in_msgs_per_s * second.rates.over_s == pytest.approx(100, abs=1)
    assert second.authentication is True
    assert second.jetstream is not None
    assert {one.name: one.ok for one in second.health} == {"ready": True, "jetstream": True}
    assert second.blind == ()
    assert next(one.connections for one in second.accounts if one.name == "$G") == 2


async def test_a_server_that_asks_nobody_who_they_are(make_server: MakeServer) -> None:
    await until(door_to(make_server(monitoring=True).start()), "SRV-007")


async def test_a_slow_consumer_is_named_with_what_it_listened_to(make_server: MakeServer) -> None:
    config = f'{_USERS} max_pending: 1MB\n write_deadline: "2s"\n no_fast_producer_stall: true\n'
    server = make_server(monitoring=True, config=config).start()
    door = door_to(server)
    assert codes(await told_by(door)) == []
    with clients(server, "slow-reporter", "flooder") as (slow, flooder):
        slow.plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.send("SUB feed.> 1\r\n")
        await asyncio.sleep(0.2)
        message = b"PUB feed.a 50000\r\n" + b"x" * 50_000 + b"\r\n"
        for _ in range(400):
            await asyncio.to_thread(flooder.send, message)
        finding = found(await until(door, "SRV-004"), "SRV-004")
    assert "slow-reporter (feed.>)" in finding.title
    assert finding.severity is Severity.ERROR


async def test_wrong_credentials(make_server: MakeServer) -> None:
    server = make_server(monitoring=True, config=_USERS).start()
    wrong = Raw(server, "intruder", '"user":"app","pass":"wrong"')
    wrong.close()
    assert b"Authorization Violation" in wrong.said
    finding = found(await until(door_to(server), "SRV-021"), "SRV-021")
    assert "wrong credentials" in finding.title


async def test_too_many_connections(make_server: MakeServer) -> None:
    server = make_server(monitoring=True, config=_USERS + "max_connections: 2\n").start()
    # Whoever looked whether it greets has to be gone; a server that has only just started may have refused him.
    async with asyncio.timeout(_PATIENCE_S):
        while (first := await look(door_to(server))).load.connections:
            await asyncio.sleep(0.05)
    before = refused(first)
    assert before <= 1
    with clients(server, "a", "b"):
        late = socket.create_connection((server.host, server.port), timeout=10)
        assert b"maximum connections exceeded" in late.recv(4096) + late.recv(4096)
        late.close()
        finding = found(await until(door_to(server), "SRV-009"), "SRV-009")
    told = "2 connections" if before else "1 connection"
    assert finding.title == f"test has 2 of 2 connections; {told} refused"
    assert finding.severity is Severity.ERROR


async def test_a_message_above_max_payload(make_server: MakeServer) -> None:
    server = make_server(monitoring=True, config=_USERS + "max_payload: 1KB\n").start()
    with clients(server, "big-talker") as (big,):
        big.send(b"PUB a 2000\r\n" + b"x" * 2000 + b"\r\n")
        assert "big-talker" in found(await until(door_to(server), "SRV-023"), "SRV-023").title


async def test_a_client_that_answers_no_pings(make_server: MakeServer) -> None:
    server = make_server(monitoring=True, config=_USERS + 'ping_interval: "500ms"\nping_max: 1\n').start()
    with clients(server, "frozen-svc"):
        assert "frozen-svc" in found(await until(door_to(server), "SRV-024"), "SRV-024").title


async def test_a_client_that_comes_and_goes(make_server: MakeServer) -> None:
    server = make_server(monitoring=True, config=_USERS).start()
    for _ in range(25):
        Raw(server, "restless").close()
    assert "restless was connected" in found(await until(door_to(server), "SRV-020"), "SRV-020").title


async def test_lame_duck_is_told_from_a_server_that_is_not_ready(make_server: MakeServer) -> None:
    config = _USERS + 'lame_duck_duration: "60s"\nlame_duck_grace_period: "10s"\n'
    server = make_server(monitoring=True, config=config).start()
    with clients(server, "a"):
        server.lame_duck()
        await until(door_to(server), "SRV-002")


async def test_jetstream_nearly_full(make_server: MakeServer) -> None:
    config = _USERS + "jetstream { max_file_store: 1MB, max_memory_store: 1MB }\n"
    server = make_server(monitoring=True, jetstream=True, config=config).start()
    with clients(server, "a") as (one,):
        body = '{"name":"S","subjects":["s"],"storage":"memory","num_replicas":1}'
        one.send(f"SUB i 1\r\nPUB $JS.API.STREAM.CREATE.S i {len(body)}\r\n{body}\r\n")
        await asyncio.to_thread(one.hear, b'"did_create":true')
        one.send((b"PUB s 9000\r\n" + b"x" * 9000 + b"\r\n") * 105)
        title = found(await until(door_to(server), "SRV-005"), "SRV-005").title
    assert title.startswith("JetStream memory of test at 9")


async def test_a_certificate_that_expires_soon(make_server: MakeServer, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    end = datetime.now(UTC) + timedelta(days=5)
    certificate, key = Authority(folder).leaf(from_="20200101000000Z", until=f"{end:%Y%m%d%H%M%S}Z")
    config = f"{_USERS} tls {{ cert_file: '{certificate}', key_file: '{key}' }}\n"
    server = make_server(monitoring=True, config=config).start()
    finding = found(await until(door_to(server), "SRV-008"), "SRV-008")
    assert finding.title.startswith("the certificate of test for client expires in")
    assert finding.severity is Severity.ERROR


async def test_a_server_that_is_down_or_none_is_unavailable_with_the_reason(nats_server: NatsServer) -> None:
    door = door_to(nats_server)
    nats_server.stop()
    with pytest.raises(Unavailable, match="refused: nothing listens"):
        await look(door)
