"""NATS-006: certificates that are not accepted, TLS that must come first, and the plain-text trap, each by its name."""

from pathlib import Path

import pytest

from diagmesh.contract.answers.connection import DoorVerdict
from diagmesh.settings import ConnectionSettings
from support.certificates import Authority
from support.linked import linked
from support.natsserver import MakeServer
from support.ruling import codes, found

OLD = {"from_": "20200101000000Z", "until": "20210101000000Z"}


@pytest.mark.parametrize(
    ("names", "dates", "trusted", "words"),
    [
        ("IP:127.0.0.1", OLD, True, "the certificate has expired"),
        ("DNS:elsewhere.example", {}, True, "the certificate is for another name"),
        ("IP:127.0.0.1", {}, False, "from a CA that we do not trust"),
    ],
)
async def test_a_certificate_that_is_not_accepted(
    make_server: MakeServer, tmp_path: Path, names: str, dates: dict[str, str], trusted: bool, words: str
) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.leaf(names, **dates)
    with make_server(config=f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}') as server:
        given = ConnectionSettings(url=server.url, tls_ca_file=str(authority.bundle) if trusted else "")
        async with linked(connection=given) as it:
            diagnosis = await it.judged()
    assert codes(diagnosis) == ["NATS-006"]
    assert words in found(diagnosis, "NATS-006").title


async def test_a_server_without_tls_is_not_talked_to_where_tls_is_wanted(make_server: MakeServer) -> None:
    with make_server() as server:
        async with linked(connection=ConnectionSettings(url=server.url.replace("nats:", "tls:"))) as it:
            (door,) = (await it.answer()).doors
            diagnosis = await it.judged()
    assert (door.verdict, codes(diagnosis)) == (DoorVerdict.PLAIN_TEXT, ["NATS-006"])
    assert "the server offers none" in found(diagnosis, "NATS-006").title


async def test_a_server_that_begins_with_tls_is_no_frozen_one(make_server: MakeServer, tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).leaf()
    tls = f'tls {{ cert_file: "{certificate}", key_file: "{key}", handshake_first: true }}'
    with make_server(config=tls, greets=False) as server:
        async with linked(connection=ConnectionSettings(url=server.url)) as it:
            diagnosis = await it.judged()
    assert codes(diagnosis) == ["NATS-006"]
    assert "TLS before the greeting (handshake_first)" in found(diagnosis, "NATS-006").title
