"""Servers with a private certificate, reached from the command line: the bundle, TLS first, and their variables."""

import contextlib
from collections.abc import Iterator

import pytest

from diagmesh_cli.main import run
from support.certificates import Authority
from support.natsserver import NatsServer

NOBODY_YET = "0 of 0 instances answered"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def tls_urls(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Two servers with a private certificate: one greets before TLS, the other one takes TLS first too."""
    certificate, key = authority.leaf()
    with contextlib.ExitStack() as stack:
        urls = []
        for first in ("false", "auto"):
            config = f'tls {{ cert_file: "{certificate}", key_file: "{key}", handshake_first: {first} }}'
            urls.append(stack.enter_context(NatsServer(tmp_path_factory.mktemp("nats"), config=config)).url)
        yield urls[0], urls[1]


@pytest.mark.parametrize("variable", ["", "DIAGMESH_NATS__TLS_CA_FILE", "NATS_CA"])
def test_a_private_certificate_is_believed_with_its_bundle_only(
    variable: str,
    tls_urls: tuple[str, str],
    authority: Authority,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = ["status", "--nats", tls_urls[0], "--timeout", "1"]
    assert run(asked) == 3
    assert "certificate" in capsys.readouterr().err
    if variable:
        monkeypatch.setenv(variable, str(authority.bundle))
    else:
        asked += ["--tls-ca-file", str(authority.bundle)]
    assert run(asked) == 3
    assert NOBODY_YET in capsys.readouterr().out


def test_tls_comes_first_where_it_is_asked_for(
    tls_urls: tuple[str, str],
    authority: Authority,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    greeting, either = (
        ["--tls-ca-file", str(authority.bundle), "status", "--timeout", "1", "--nats", url] for url in tls_urls
    )
    assert run(["--tls-first", *either]) == 3
    assert NOBODY_YET in capsys.readouterr().out
    assert run([*greeting, "--tls-first"]) == 3
    assert "cannot connect" in capsys.readouterr().err
    monkeypatch.setenv("DIAGMESH_NATS__TLS_FIRST", "true")
    assert run(greeting) == 3
    assert "cannot connect" in capsys.readouterr().err
