"""The door to the diagnostic pages: what comes is bounded, and whatever does not come is said by name and in words."""

import asyncio
import gzip
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from diagmesh.adapters.godoor import door_of
from diagmesh.errors import (
    Busy,
    NoPage,
    NotConfigured,
    PageLate,
    PageMissing,
    PageRefused,
    PageTooLarge,
    PageUnreachable,
    SettingsError,
    Unavailable,
)
from diagmesh.gopages import EXPVAR, METRICS, Fetched, GoDoor, GoPage, pprof
from diagmesh.settings import GoSettings
from support.certificates import Authority
from support.doors import Script, answers, closed_port, http_answer, scripted

TEXT = "Content-Type: text/plain; charset=utf-8"
BYTES = "Content-Type: application/octet-stream"
JSON = "Content-Type: application/json; charset=utf-8"
GO = "X-Go-Pprof: 1"
PROFILE = gzip.compress(b"profile")
INDEX, GOROUTINES, HEAP = pprof(""), pprof("goroutine"), pprof("heap")


def door(address: str, **more: Any) -> GoDoor:
    at = f"http://{address}"
    urls = {"pprof": f"{at}/debug/pprof/", "expvar": f"{at}/debug/vars", "metrics": f"{at}/metrics", **more}
    return door_of(GoSettings(**urls), "orders/i1", "targets[0].go")


async def fetched(data: bytes, page: GoPage, **options: Any) -> Fetched:
    with scripted(answers(data)) as server:
        return await door(server.address).fetch(page, **options)


async def refused(data: bytes, page: GoPage, **options: Any) -> tuple[str, str]:
    with pytest.raises(NoPage) as refusal:
        await fetched(data, page, **options)
    return type(refusal.value).__name__, f"{refusal.value.detail} | {refusal.value.hint}"


async def test_a_page_is_asked_for_by_name_and_query_with_the_headers_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("Bearer s3cret\n")
    heard: list[bytes] = []
    with scripted(answers(http_answer("200 OK", b"goroutine profile: total 7\n", TEXT), heard)) as server:
        go = door(server.address, headers={"Authorization": f"file:{tmp_path}/token"})
        seen = await go.fetch(GOROUTINES, query={"debug": 1, "seconds": 2})
        assert dict(go.places)["pprof"] == f"http://{server.address}/debug/pprof"
    assert seen.body == b"goroutine profile: total 7\n"
    assert (seen.size_bytes, seen.cut, seen.content_type) == (27, False, "text/plain; charset=utf-8")
    request = heard[0].decode()
    assert request.startswith("GET /debug/pprof/goroutine?debug=1&seconds=2 HTTP/1.1\r\n")
    assert "Authorization: Bearer s3cret\r\n" in request
    assert "Accept-Encoding: identity\r\n" in request


async def test_each_setting_names_its_own_page() -> None:
    heard: list[bytes] = []
    with scripted(answers(http_answer("200 OK", b'{"memstats": {}}', JSON), heard)) as server:
        assert (await door(server.address).fetch(EXPVAR)).body == b'{"memstats": {}}'
    with scripted(answers(http_answer("200 OK", b"go_goroutines 7\n", TEXT), heard)) as server:
        assert (await door(server.address, metrics=f"http://{server.address}/m?x=1").fetch(METRICS)).size_bytes == 16
    with scripted(answers(http_answer("200 OK", b"<html>", "Content-Type: text/html"), heard)) as server:
        await door(server.address).fetch(INDEX)
    lines = [one.decode().partition(" HTTP")[0] for one in heard]
    assert lines == ["GET /debug/vars", "GET /m?x=1", "GET /debug/pprof/"]


async def test_without_a_place_it_says_which_key_to_add() -> None:
    none = door_of(None, "orders/i1")
    with pytest.raises(NotConfigured) as refusal:
        await none.fetch(HEAP)
    assert (refusal.value.code, refusal.value.error) == (501, "not on this instance")
    assert "orders/i1" in refusal.value.hint
    assert '[targets.go] with pprof = "http://127.0.0.1:6060/debug/pprof"' in refusal.value.hint
    only = door_of(GoSettings(expvar="http://127.0.0.1:1/vars"), "orders/i1")
    with pytest.raises(NotConfigured, match="metrics"):
        await only.fetch(METRICS)
    with pytest.raises(NotConfigured):
        none.alone("a look")
    assert isinstance(refusal.value, Unavailable)


@pytest.mark.parametrize(
    ("answer", "page", "kind", "says"),
    [
        (http_answer("404 Not Found", b"404 page not found", TEXT), HEAP, "PageMissing", "net/http/pprof"),
        (http_answer("404 Not Found", b"Unknown profile", TEXT, GO), pprof("goroutineleak"), "PageMissing", "newer Go"),
        (http_answer("404 Not Found", b""), METRICS, "PageMissing", "metrics in [targets.go]"),
        (
            http_answer("400 Bad Request", b"profile duration exceeds server's WriteTimeout\n", TEXT, GO),
            pprof("profile"),
            "PageRefused",
            "profile duration exceeds server's WriteTimeout (status 400",
        ),
        (http_answer("401 Unauthorized", b""), HEAP, "PageRefused", "headers of [targets.go]"),
        (http_answer("302 Found", b"", "Location: /login?token=s3cret"), HEAP, "PageRefused", "/login?token=…"),
        (http_answer("500 Internal Server Error", b"s3cret"), HEAP, "PageRefused", "status 500"),
        (http_answer("200 OK", b"<html>", "Content-Type: text/html"), HEAP, "NotGoPage", "is an HTML page"),
        (http_answer("200 OK", b"hello", BYTES), HEAP, "NotGoPage", "no packed profile"),
        (http_answer("200 OK", b"<html>", "Content-Type: text/html"), EXPVAR, "NotGoPage", "no JSON object"),
        (http_answer("200 OK", b"{}", JSON), METRICS, "NotGoPage", "no metrics text (application/json"),
        (
            http_answer("200 OK", PROFILE, TEXT, "Content-Encoding: gzip"),
            METRICS,
            "NotGoPage",
            "comes packed (gzip)",
        ),
        (b"SSH-2.0-OpenSSH\r\n", HEAP, "PageUnreachable", "it speaks SSH"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhal", HEAP, "PageUnreachable", "broke in the middle"),
    ],
)
async def test_what_is_no_page_is_said_by_name(answer: bytes, page: GoPage, kind: str, says: str) -> None:
    named, words = await refused(answer, page)
    assert named == kind
    assert says in words
    assert "s3cret" not in words


async def test_text_that_was_asked_for_must_be_text() -> None:
    named, words = await refused(http_answer("200 OK", PROFILE, BYTES), HEAP, query={"debug": 1})
    assert (named, "is no text" in words) == ("NotGoPage", True)


async def test_a_profile_that_somebody_else_takes_is_busy() -> None:
    said = b"Could not enable CPU profiling: cpu profiling already in use\n"
    with pytest.raises(Busy) as refusal:
        await fetched(http_answer("500 Internal Server Error", said, TEXT, GO), pprof("profile"))
    assert refusal.value.code == 429
    assert "already in use" in refusal.value.detail


async def test_nobody_there_and_nobody_answering() -> None:
    with pytest.raises(PageUnreachable, match="nothing listens") as refusal:
        await door(f"127.0.0.1:{closed_port()}").fetch(HEAP)
    assert "pprof in [targets.go]" in refusal.value.hint
    with scripted(_silent) as server, pytest.raises(PageLate, match=r"answered nothing within 0\.2 s"):
        await door(server.address).fetch(HEAP, timeout_s=0.2)


def _silent(plug: socket.socket) -> None:
    while plug.recv(65536):
        pass


def endless(head: bytes) -> Script:
    """Sends, as fast as it is read, until nobody reads any more; 64 MiB at most."""

    def script(plug: socket.socket) -> None:
        plug.recv(65536)
        plug.sendall(head)
        for _ in range(1024):
            plug.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    return script


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_no_more_than_the_limit_is_read_and_the_cut_is_said(tmp_path: Path) -> None:
    with scripted(endless(CHUNKED)) as server:
        go = door(server.address)
        seen = await go.fetch(GOROUTINES, query={"debug": 2}, limit_bytes=100_000, timeout_s=20)
        assert (len(seen.body), seen.size_bytes, seen.cut) == (100_000, 100_000, True)
        file = tmp_path / "dump"
        seen = await go.fetch(GOROUTINES, query={"debug": 2}, limit_bytes=200_000, timeout_s=20, into=file)
        assert (seen.body, seen.size_bytes, seen.cut) == (b"", 200_000, True)
        assert file.stat().st_size == 200_000
        assert file.stat().st_mode & 0o777 == 0o600
        with pytest.raises(PageTooLarge, match="larger than"):
            await go.fetch(GOROUTINES, query={"debug": 2}, limit_bytes=1 << 20, timeout_s=20, whole=True)
        with pytest.raises(PageTooLarge):
            await go.fetch(GOROUTINES, limit_bytes=1 << 20, timeout_s=20, whole=True, into=tmp_path / "other")
    assert not (tmp_path / "other").exists()


async def test_what_just_fits_is_not_cut() -> None:
    body = b"x" * 70_000
    seen = await fetched(http_answer("200 OK", body, TEXT), GOROUTINES, limit_bytes=70_000, whole=True)
    assert (seen.body, seen.cut) == (body, False)
    chunked = CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"
    seen = await fetched(chunked, GOROUTINES, limit_bytes=5)
    assert (seen.body, seen.cut) == (b"hello", False)
    seen = await fetched(chunked, GOROUTINES, limit_bytes=4)
    assert (seen.body, seen.cut) == (b"hell", True)


async def test_a_length_above_the_limit_is_refused_before_it_is_read() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 300000000\r\n\r\n"
    with scripted(answers(head)) as server, pytest.raises(PageTooLarge, match="64 MiB"):
        await door(server.address).fetch(HEAP, limit_bytes=64 << 20, whole=True)


async def test_heavy_pages_wait_for_each_other_and_light_ones_do_not() -> None:
    gate = asyncio.Event()
    with scripted(answers(http_answer("200 OK", b"{}", JSON))) as server:
        go = door(server.address)

        async def long_look() -> None:
            async with go.alone("a CPU profile of 30 s", for_s=30):
                gate.set()
                await asyncio.sleep(3600)

        look = asyncio.create_task(long_look())
        await gate.wait()
        assert go.at_work == "a CPU profile of 30 s"
        with pytest.raises(Busy) as refusal:  # at once: it is known that it takes longer than anybody waits
            await go.fetch(HEAP)
        assert (refusal.value.code, refusal.value.error) == (429, "busy")
        assert "a CPU profile of 30 s is under way at orders/i1" in refusal.value.detail
        assert refusal.value.hint == "ask again in 30 s"
        assert (await go.fetch(EXPVAR)).body == b"{}"
        look.cancel()
        await asyncio.gather(look, return_exceptions=True)
        assert go.at_work == ""


async def test_whoever_has_the_turn_fetches_without_waiting_and_the_next_one_gets_it() -> None:
    with scripted(answers(http_answer("200 OK", PROFILE, BYTES))) as server:
        go = door(server.address)
        order = []

        async def twice(name: str) -> None:
            async with go.alone(name):
                for _ in range(2):
                    await go.fetch(HEAP)
                    order.append(name)

        await asyncio.gather(twice("first"), twice("second"))
    assert order == ["first", "first", "second", "second"]


async def test_whoever_waited_too_long_is_told_what_runs() -> None:
    go = door("127.0.0.1:1")
    async with go.alone("two dumps"):

        async def other() -> None:
            async with go.alone("a heap profile", wait_s=0.05):
                raise AssertionError("it is taken")

        # In a context of its own: what we have is not theirs.
        with pytest.raises(Busy, match="two dumps is under way"):
            await _elsewhere(other)


async def _elsewhere(work: Any) -> None:
    import contextvars  # noqa: PLC0415  for this alone

    await asyncio.get_running_loop().create_task(work(), context=contextvars.Context())


async def test_a_question_that_is_given_up_leaves_no_thread_and_no_turn_behind() -> None:
    with scripted(_silent) as server:
        go = door(server.address)
        look = asyncio.create_task(go.fetch(HEAP, timeout_s=60))
        until = time.monotonic() + 10
        while not server.connections and time.monotonic() < until:
            await asyncio.sleep(0.01)
        look.cancel()
        await asyncio.gather(look, return_exceptions=True)
        assert go.at_work == ""


async def test_https_with_a_ca_of_its_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with scripted(answers(http_answer("200 OK", b"{}", JSON)), authority.leaf()) as server:
        at = f"https://localhost:{server.port}/debug/vars"
        go = door_of(GoSettings(expvar=at, tls_ca_file=str(authority.bundle)), "orders/i1")
        assert (await go.fetch(EXPVAR)).body == b"{}"
        with pytest.raises(PageUnreachable, match="a CA that we do not trust"):
            await door_of(GoSettings(expvar=at), "orders/i1").fetch(EXPVAR)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"pprof": "127.0.0.1:6060"}, r"targets\[0\]\.go\.pprof: needs a URL"),
        ({"expvar": "ftp://h/vars"}, r"targets\[0\]\.go\.expvar: needs a URL"),
        ({"pprof": "http://h/debug/pprof?debug=1"}, r"targets\[0\]\.go\.pprof: .*no query"),
        ({"metrics": "http://h", "headers": {"A": "file:/gone"}}, r"targets\[0\]\.go\.headers\.A: cannot read"),
        ({"metrics": "http://h", "tls_ca_file": "/gone"}, r"targets\[0\]\.go\.tls_ca_file: .*without an https"),
        ({"metrics": "https://h", "tls_ca_file": "/gone"}, r"targets\[0\]\.go\.tls_ca_file: cannot use"),
    ],
)
def test_wrong_settings_are_named_by_their_key(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        door_of(GoSettings(**settings), "orders/i1", "targets[0].go")


def test_a_table_without_a_place_says_nothing() -> None:
    with pytest.raises(ValueError, match="needs one of pprof, expvar, metrics"):
        GoSettings(headers={"A": "b"})


def test_the_names_of_errors_are_refusals_of_their_own_code() -> None:
    codes = {one.__name__: one("x").code for one in (NotConfigured, PageMissing, PageRefused, PageLate, Busy)}
    assert codes == {"NotConfigured": 501, "PageMissing": 503, "PageRefused": 503, "PageLate": 503, "Busy": 429}
