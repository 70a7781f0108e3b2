"""The HTTP door of a coordinator: what it answers to good, bad, slow and too many requests."""

import asyncio
import re
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest

from diagmesh.accept import listening_at
from diagmesh.errors import SettingsError
from diagmesh_coordinator.web import Page, Web


def broken(_: str) -> Page:
    raise RuntimeError("secret")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    web = Web("127.0.0.1", 0, {"/hello": lambda accept: Page(f"you take {accept}\n".encode()), "/broken": broken})
    url = await web.open()
    yield int(url.rpartition(":")[2])
    await web.close()


async def told(port: int, request: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return (await asyncio.wait_for(reader.read(), 30)).decode()
    finally:
        writer.close()


async def test_a_page_is_told_with_its_length_and_the_connection_ends(port: int) -> None:
    said = await told(port, b"GET /hello?x=1 HTTP/1.1\r\nHost: here\r\nAccept: a/b\r\n\r\n")
    head, _, body = said.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\nDate: ")
    assert {"Content-Type: text/plain; charset=utf-8", "Content-Length: 13", "Connection: close"} <= set(
        head.splitlines()
    )
    assert body == "you take a/b\n"


async def test_head_has_no_body(port: int) -> None:
    said = await told(port, b"HEAD /hello HTTP/1.0\r\n\r\n")
    assert "Content-Length: 10" in said
    assert said.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /else HTTP/1.1\r\n\r\n", HTTPStatus.NOT_FOUND),
        (b"POST /hello HTTP/1.1\r\nContent-Length: 0\r\n\r\n", HTTPStatus.METHOD_NOT_ALLOWED),
        (b"nonsense\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET /hello HTTP/7.1\r\n\r\n", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
        (b"GET /hello HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
        (b"GET /hello HTTP/1.1\r\n" + b"X: x\r\n" * 500 + b"\r\n", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
        (b"GET /broken HTTP/1.1\r\n\r\n", HTTPStatus.INTERNAL_SERVER_ERROR),
    ],
)
async def test_what_is_wrong_is_told_and_the_next_is_served(port: int, request_: bytes, status: HTTPStatus) -> None:
    said = await told(port, request_)
    assert said.startswith(f"HTTP/1.1 {status.value} ")
    assert "secret" not in said
    assert (await told(port, b"GET /hello HTTP/1.0\r\n\r\n")).startswith("HTTP/1.1 200 ")


async def test_many_who_say_nothing_do_not_hold_the_door_for_ever(port: int) -> None:
    waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
    try:
        # Those above the limit are cut off at once, the others after their deadline; then there is room again.
        async with asyncio.timeout(60):
            for reader, _ in waiting:
                try:
                    assert await reader.read() == b""
                except ConnectionResetError:
                    continue
        assert (await told(port, b"GET /hello HTTP/1.0\r\n\r\n")).startswith("HTTP/1.1 200 ")
    finally:
        for _, writer in waiting:
            writer.close()


async def test_a_taken_address_is_named(port: int) -> None:
    with pytest.raises(
        SettingsError, match=re.escape(f"metrics: cannot listen on 127.0.0.1:{port}: address already in use") + "\\Z"
    ):
        await Web("127.0.0.1", port, {}).open()


async def test_a_host_that_is_not_known_is_told() -> None:
    with pytest.raises(SettingsError, match=r"metrics: cannot listen on nowhere\.invalid:0: .*[Nn]ame"):
        await Web("nowhere.invalid", 0, {}).open()


@pytest.mark.parametrize(
    ("given", "means"),
    [
        ("9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),  # noqa: S104  that is what is meant
        ("[::1]:9464", ("::1", 9464)),
        ("node-7:65535", ("node-7", 65535)),
    ],
)
def test_addresses(given: str, means: tuple[str, int]) -> None:
    assert listening_at(given) == means


@pytest.mark.parametrize("given", [":9464", "::1:9464", "host", "host:", "host:x", "1:70000", "[]:1", "-1", "\u0661"])
def test_what_is_no_address_is_refused_with_how_to_write_it(given: str) -> None:
    with pytest.raises(SettingsError, match=r"metrics: .* write PORT"):
        listening_at(given)
