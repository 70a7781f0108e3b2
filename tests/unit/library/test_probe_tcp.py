import asyncio
import errno
import gc
import socket
import threading
import time
from typing import Any

import pytest
import uvloop

from diagmesh.adapters.probes import make
from diagmesh.errors import SettingsError
from diagmesh.settings import ProbeSettings
from support.doors import closed_port, listens_only, scripted


def probe(address: str, timeout_s: float = 5.0) -> Any:
    return make(ProbeSettings(tcp=address, timeout_s=timeout_s))


async def test_a_listening_port_passes_with_its_phases() -> None:
    with scripted(lambda _plug: None) as door:
        result = await probe(door.address).look()
    assert result.ok is True
    assert result.reason == ""
    assert set(result.phases_ms) == {"resolve", "connect"}
    assert result.took_ms is not None
    assert result.took_ms >= sum(result.phases_ms.values()) * 0.9


async def test_a_closed_port_is_refused() -> None:
    port = closed_port()
    result = await probe(f"127.0.0.1:{port}").look()
    assert result.ok is False
    assert result.reason == f"refused: nothing listens (127.0.0.1:{port})"
    assert set(result.phases_ms) == {"resolve", "connect"}


async def test_a_swallowed_attempt_times_out_in_connect() -> None:
    with listens_only() as door:
        started = time.monotonic()
        result = await probe(door.address, timeout_s=0.3).look()
        took_s = time.monotonic() - started
    assert result.ok is False
    assert result.reason.startswith("no answer to the connection attempt")
    assert 0.25 < took_s < 2.0
    assert result.phases_ms["connect"] > 250


async def test_a_swallowed_attempt_is_called_off_without_a_leak() -> None:
    with listens_only() as door:
        task = asyncio.create_task(probe(door.address, timeout_s=30).look())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
    del task
    gc.collect()  # an open socket would warn here, and warnings are errors


async def test_every_address_is_tried_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = closed_port()
    with scripted(lambda _plug: None) as door:
        resolves_to(monkeypatch, [("127.0.0.1", closed), ("127.0.0.1", door.port)])
        assert (await probe("two.test:80").look()).ok is True
    resolves_to(monkeypatch, [("127.0.0.1", closed), ("127.0.0.2", closed)])
    result = await probe("two.test:80").look()
    assert result.reason == f"refused: nothing listens (127.0.0.1:{closed}, 127.0.0.2:{closed})"


async def test_the_first_address_does_not_use_up_the_time_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with listens_only() as hole, scripted(lambda _plug: None) as door:
        resolves_to(monkeypatch, [("127.0.0.1", int(hole.address.split(":")[1])), ("127.0.0.1", door.port)])
        result = await probe("two.test:80", timeout_s=1.0).look()
    assert result.ok is True


async def test_an_unknown_name_is_told_apart() -> None:
    result = await probe("no-such-name.invalid:80").look()
    if result.ok is None:  # no resolver at all on this machine, which is said as well
        assert "resolver" in result.reason
    else:
        assert result.reason == "name unknown: no-such-name.invalid"


@pytest.mark.parametrize(
    ("code", "ok", "words"),
    [
        (socket.EAI_NONAME, False, "name unknown: some.test"),
        (socket.EAI_AGAIN, None, "the resolver could not look up some.test"),
        (socket.EAI_FAIL, None, "the resolver could not look up some.test"),
    ],
)
async def test_resolver_errors(monkeypatch: pytest.MonkeyPatch, code: int, ok: bool | None, words: str) -> None:
    def fails(*_args: Any, **_options: Any) -> Any:
        raise socket.gaierror(code, "as the test wants")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    result = await probe("some.test:80").look()
    assert result.ok is ok
    assert result.reason.startswith(words)
    assert (ok is None) == bool(result.fix)


async def test_a_hanging_resolver_is_no_verdict_and_costs_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hangs(_host: str, _port: int, *, flags: int = 0, **_options: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "a name")
        release.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    door = probe("slow.test:80", timeout_s=0.1)
    try:
        results = [await door.look() for _ in range(3)]
        await asyncio.sleep(0.3)  # older than what is told again
        results.append(await door.look())
        hanging = [thread for thread in threading.enumerate() if thread.name == "resolve slow.test"]
    finally:
        release.set()
    assert {result.ok for result in results} == {None}
    assert results[0].reason == "the name did not resolve within 0.1 s"
    assert len(hanging) == 1


@pytest.mark.parametrize(
    ("number", "ok", "words"),
    [
        (errno.ENETUNREACH, False, "network unreachable"),
        (errno.EHOSTUNREACH, False, "host unreachable"),
        (errno.EMFILE, None, "the sidecar has no free file descriptor"),
        (errno.EPERM, None, "a local firewall rule"),
        (errno.EADDRNOTAVAIL, None, "no free local port"),
    ],
)
async def test_connect_errors_that_need_a_broken_machine(
    monkeypatch: pytest.MonkeyPatch, number: int, ok: bool | None, words: str
) -> None:
    async def fails(_plug: socket.socket, _where: Any) -> None:
        raise OSError(number, "as the test wants")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", fails)
    result = await probe("127.0.0.1:80").look()
    assert result.ok is ok
    assert words in result.reason


def test_the_loop_of_the_sidecar_does_the_same() -> None:
    async def called_off(address: str) -> bool:
        task = asyncio.create_task(probe(address, timeout_s=30).look())
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        return task.cancelled()

    with scripted(lambda _plug: None) as door, listens_only() as hole:
        assert uvloop.run(probe(door.address).look()).ok is True
        assert uvloop.run(probe(hole.address, timeout_s=0.3).look()).reason.startswith("no answer to the connection")
        assert uvloop.run(called_off(hole.address)) is True
    assert uvloop.run(probe(f"127.0.0.1:{closed_port()}").look()).reason.startswith("refused")
    gc.collect()


@pytest.mark.parametrize(
    "address", ["", "host", "host:", ":80", "host:0", "host:65536", "host:http", "::1:80", "[::1", "a b:80", "h/x:80"]
)
def test_what_is_no_address_is_refused_when_loaded(address: str) -> None:
    settings = ProbeSettings(tcp=address or " ")
    with pytest.raises(SettingsError, match=r"targets\[0\].probes\[1\].tcp"):
        make(settings, where="targets[0].probes[1]")


def test_an_ipv6_address_is_shown_with_brackets() -> None:
    assert make(ProbeSettings(tcp="[::1]:80")).name == "[::1]:80"


def resolves_to(monkeypatch: pytest.MonkeyPatch, addresses: list[tuple[str, int]]) -> None:
    def found(_host: str, _port: int, *, flags: int = 0, **_options: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "a name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)
