import asyncio
import base64
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diagmesh.adapters.probes import make
from diagmesh.adapters.web.given import without_secrets
from diagmesh.errors import SettingsError
from diagmesh.settings import ProbeSettings
from diagmesh.target import ProbeResult
from support.doors import Script, answers, closed_port, http_answer, listens_only, scripted


async def look(url: str, **options: Any) -> ProbeResult:
    options.setdefault("timeout_s", 5.0)
    return await make(ProbeSettings(http=url, **options)).look()


def probe_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("probe ")]


async def no_probe_threads() -> bool:
    for _ in range(500):
        if not probe_threads():
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_fine_answer_passes_with_status_and_phases() -> None:
    heard: list[bytes] = []
    with scripted(answers(http_answer(), heard)) as door:
        result = await look(f"http://{door.address}/healthz?full=1")
    assert result.ok is True
    assert result.status_code == 200
    assert list(result.phases_ms) == ["resolve", "connect", "first_byte", "body"]
    assert result.target == f"http://{door.address}/healthz?full=…"
    request = heard[0].decode()
    assert request.startswith("GET /healthz?full=1 HTTP/1.1\r\n")
    assert f"Host: {door.address}\r\n" in request
    assert "Connection: close\r\n" in request


@pytest.mark.parametrize(
    ("status", "expected", "ok", "reason"),
    [
        ("204 No Content", (), True, ""),
        ("503 Service Unavailable", (), False, "status 503 instead of 200 to 299"),
        ("503 Service Unavailable", (503,), True, ""),
        ("200 OK", (204, 301), False, "status 200 instead of 204, 301"),
    ],
)
async def test_status(status: str, expected: tuple[int, ...], ok: bool, reason: str) -> None:
    with scripted(answers(http_answer(status, b""))) as door:
        result = await look(f"http://{door.address}", expect_status=expected)
    assert (result.ok, result.reason) == (ok, reason)
    assert result.status_code == int(status[:3])


async def test_a_redirect_is_reported_without_its_secrets_and_not_followed() -> None:
    to = "Location: https://user:hunter2@login.test/in?next=%2F&token=s3cret#frag"
    with scripted(answers(http_answer("302 Found", b"", to))) as door:
        result = await look(f"http://{door.address}/")
        assert door.connections == 1
    assert result.ok is False
    assert result.reason == "redirects (302) to https://login.test/in?next=…&token=…, which is not followed"


async def test_a_redirect_may_be_what_is_expected() -> None:
    with scripted(answers(http_answer("302 Found", b"", "Location: /login"))) as door:
        assert (await look(f"http://{door.address}/", expect_status=(302,))).ok is True


async def test_the_expected_text_must_be_in_the_body() -> None:
    with scripted(answers(http_answer(body=b'{"status": "ok"}'))) as door:
        assert (await look(f"http://{door.address}/", expect_body='"status": "ok"')).ok is True
        result = await look(f"http://{door.address}/", expect_body="ready")
    assert result.ok is False
    assert result.reason == "status 200, but the expected text is not in the body (16 B looked at)"


@pytest.mark.parametrize("text", [".*", "(", "(x+x+)+y", "^ready$", "[a-z]", "\\d", "bereit: größer als 5 €"])
async def test_the_expected_text_is_taken_as_it_is_and_found_in_utf_8(text: str) -> None:
    with scripted(answers(http_answer(body=f"so {text} it".encode()))) as door:
        assert (await look(f"http://{door.address}/", expect_body=text)).ok is True
    with scripted(answers(http_answer(body=b"ready " + b"x" * 24))) as door:
        assert (await look(f"http://{door.address}/", expect_body=text)).ok is False


async def test_a_body_that_is_no_text_is_looked_through_all_the_same() -> None:
    with scripted(answers(http_answer(body=b"\xff\xfe\x00ready\xc3"))) as door:
        assert (await look(f"http://{door.address}/", expect_body="ready")).ok is True
        assert (await look(f"http://{door.address}/", expect_body="\ufffd")).ok is False


async def test_only_the_first_64_kib_of_the_body_count() -> None:
    with scripted(answers(http_answer(body=b"x" * 65_536 + b"ready"))) as door:
        result = await look(f"http://{door.address}/", expect_body="ready")
    assert result.reason == "status 200, but the expected text is not in the body (65536 B looked at)"


async def test_a_chunked_body_is_put_together() -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nrea\r\n2\r\ndy\r\n0\r\n\r\n"
    with scripted(answers(data)) as door:
        assert (await look(f"http://{door.address}/", expect_body="ready")).ok is True


def silent(plug: socket.socket) -> None:
    while plug.recv(65536):
        pass


def drips(data: bytes, first: bytes = b"") -> Script:
    def script(plug: socket.socket) -> None:
        plug.recv(65536)
        plug.sendall(first)
        for byte in data * 1000:
            plug.sendall(bytes([byte]))
            time.sleep(0.05)

    return script


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (silent, "it took the connection but answered nothing within 2 s"),
        (drips(b"HTTP/1.1 200 OK\r\nX-Y: zzzz\r\n"), "it began to answer but did not come to an end within 2 s"),
        (
            drips(b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
            "it began to answer but did not come to an end within 2 s",
        ),
        (
            drips(b"1\r\nx\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "it began to answer but did not come to an end within 2 s",
        ),
        (drips(b"HTTP/1.1 100 Continue\r\n\r\n"), "it began to answer but did not come to an end within 2 s"),
    ],
    ids=["silent", "headers", "body", "chunks", "continue"],
)
async def test_a_slow_door_never_stretches_the_deadline_and_its_thread_ends(script: Script, words: str) -> None:
    with scripted(script) as door:
        started = time.monotonic()
        result = await look(f"http://{door.address}/", timeout_s=2.0)
        assert time.monotonic() - started < 6.5
        assert await no_probe_threads()
    assert result.ok is False
    assert result.reason == words


async def test_a_cancelled_look_ends_its_thread_and_closes_its_connection() -> None:
    asked, closed = threading.Event(), threading.Event()

    def script(plug: socket.socket) -> None:
        plug.recv(65536)
        asked.set()
        silent(plug)
        closed.set()

    with scripted(script) as door:
        task = asyncio.create_task(look(f"http://{door.address}/", timeout_s=30))
        assert await asyncio.to_thread(asked.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await no_probe_threads()
        assert await asyncio.to_thread(closed.wait, 5)


async def test_refused_and_swallowed_are_told_apart() -> None:
    assert (await look(f"http://127.0.0.1:{closed_port()}/")).reason.startswith("refused: nothing listens")
    with listens_only() as door:
        result = await look(f"http://{door.address}/", timeout_s=0.3)
    assert result.reason.startswith("no answer to the connection attempt")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "took the connection, then closed it without an answer"),
        (b"\x15\x03\x01\x00\x02\x02\x46\r\n", "answers, but not in HTTP (it speaks TLS: use https)"),
        (b"SSH-2.0-OpenSSH_9\r\n", "answers, but not in HTTP (it speaks SSH)"),
        (b'INFO {"server_id":"x"} \r\n', "answers, but not in HTTP (it speaks NATS)"),
        (b"hello\r\n", "answers, but not in HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "the connection broke in the middle of the answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "answers with broken HTTP (HTTPException)"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "answers with broken HTTP (LineTooLong)"),
    ],
)
async def test_what_is_no_http(data: bytes, words: str) -> None:
    with scripted(answers(data)) as door:
        result = await look(f"http://{door.address}/")
    assert (result.ok, result.reason) == (False, words)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]),
)
def test_no_bytes_make_a_probe_raise_or_fail_by_itself(noise: bytes, start: bytes) -> None:
    with scripted(answers(start + noise)) as door:
        result = asyncio.run(look(f"http://{door.address}/"))
    assert "itself" not in result.reason
    assert result.ok is not None


async def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    with scripted(answers(http_answer())) as door:
        assert (await look(f"http://{door.address}/")).ok is True


async def test_a_header_from_a_file_is_sent_afresh_and_never_told(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("Bearer first-s3cret\n")
    heard: list[bytes] = []
    with scripted(answers(http_answer("403 Forbidden", b"first-s3cret"), heard)) as door:
        probe = make(ProbeSettings(http=f"http://{door.address}/", headers={"Authorization": f"file:{secret}"}))
        first = await probe.look()
        secret.write_text("Bearer second-s3cret")
        await asyncio.sleep(0.3)  # older than what is told again
        await probe.look()
        secret.unlink()
        await asyncio.sleep(0.3)
        gone = await probe.look()
    assert b"Authorization: Bearer first-s3cret\r\n" in heard[0]
    assert b"Authorization: Bearer second-s3cret\r\n" in heard[1]
    assert "s3cret" not in repr(first)
    assert gone.ok is None
    assert gone.reason == "the header Authorization cannot be read from its file any more"


async def test_user_and_password_are_sent_and_never_told() -> None:
    heard: list[bytes] = []
    with scripted(answers(http_answer("401 Unauthorized", b""), heard)) as door:
        result = await look(f"http://ann:hunter%32@{door.address}/x")
    assert b"Authorization: Basic " + base64.b64encode(b"ann:hunter2") in heard[0]
    assert "hunter" not in repr(result)
    assert "ann" not in repr(result)
    assert result.name == f"http://{door.address}/x"


async def test_a_header_of_the_settings_replaces_ours() -> None:
    heard: list[bytes] = []
    with scripted(answers(http_answer(), heard)) as door:
        await look(f"http://{door.address}/", headers={"host": "orders.test", "X-Tenant": "a"})
    assert b"host: orders.test\r\n" in heard[0]
    assert heard[0].lower().count(b"host:") == 1
    assert b"X-Tenant: a\r\n" in heard[0]


WRONG = [
    ({"http": "ftp://host/"}, "probe.http: needs a URL"),
    ({"http": "/healthz"}, "probe.http: needs a URL"),
    ({"http": "http://"}, "probe.http: needs a URL"),
    ({"http": "http://user:s3cret/x@host/"}, "probe.http: not a URL"),
    ({"http": "http://host:99999/"}, "probe.http: not a URL"),
    ({"http": "http://host:0/"}, "probe.http: port 0"),
    ({"http": "http://[::1/"}, "probe.http: not a URL"),
    ({"http": "http://host/a b"}, "probe.http: spaces"),
    ({"http": "http://host/ä"}, "probe.http: spaces"),
    ({"http": "http://h/", "expect_body": "ä" * 32_769}, "probe.expect_body: has 65538 bytes; only the first 65536"),
    ({"http": "http://h/", "expect_body": "\ud800"}, "probe.expect_body: not a text"),
    ({"http": "http://h/", "headers": {"X Y": "a"}}, "probe.headers: 'X Y' is no name"),
    ({"http": "http://h/", "headers": {"X": "s3cret\r\nY: z"}}, "probe.headers.X: the value holds"),
    ({"http": "http://h/", "headers": {"X": "file:/does/not/exist"}}, "probe.headers.X: cannot read the file"),
    ({"http": "http://h/", "tls_ca_file": "/x"}, "probe.tls_ca_file: means nothing"),
    ({"http": "https://h/", "tls_ca_file": "/does/not/exist"}, "probe.tls_ca_file: cannot use"),
    ({"tcp": "h:1", "expect_body": "x"}, "probe.expect_body: means nothing without http"),
]


@pytest.mark.parametrize(("options", "words"), WRONG)
def test_wrong_settings_are_refused_when_loaded_with_their_key(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        make(ProbeSettings(**options))
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.text(max_size=60))
def test_a_shown_address_never_holds_the_password(junk: str) -> None:
    assert "s3cret" not in without_secrets(f"http://u:s3cret@h.test/{junk}?k=s3cret&l=s3cret#s3cret")
