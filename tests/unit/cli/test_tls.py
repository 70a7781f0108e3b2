"""Servers with a private certificate, reached from the command line: the bundle, TLS first, and their variables."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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


@pytest.mark.parametrize("more", [[], ["--tls-first"]], ids=["after the greeting", "first"])
def test_nothing_is_printed_beside_the_result(
    more: list[str], tls_urls: tuple[str, str], authority: Authority, tmp_path: Path
) -> None:
    words = ["status", "--timeout", "1", "--nats", tls_urls[bool(more)], "--tls-ca-file", str(authority.bundle), *more]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "DIAGMESH_"))}
    command = [sys.executable, "-m", "diagmesh_cli", *words]
    # As with a terminal of its own: what libraries log goes to standard error where nobody has said otherwise.
    done = subprocess.run(
        command,
        env={**clean, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert NOBODY_YET in done.stdout
    assert (done.returncode, done.stderr) == (3, "")


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


@pytest.fixture(scope="module")
def verifying_url(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose certificate is for another name, and which asks for one of ours."""
    certificate, key = authority.leaf("DNS:nats.example")
    files = f'cert_file: "{certificate}", key_file: "{key}", ca_file: "{authority.bundle}"'
    with NatsServer(tmp_path_factory.mktemp("nats"), config=f"tls {{ {files}, verify: true }}") as server:
        yield server.url


def test_a_name_and_a_certificate_of_ours(
    verifying_url: str, authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["status", "--timeout", "1", "--nats", verifying_url, "--tls-ca-file", str(authority.bundle)]
    assert run(asked) == 3
    assert "tls_server_name" in capsys.readouterr().err
    asked += ["--tls-server-name", "nats.example"]
    assert run(asked) == 3
    assert "cannot connect" in capsys.readouterr().err
    certificate, key = authority.leaf()
    assert run([*asked, "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]) == 3
    assert NOBODY_YET in capsys.readouterr().out
    assert run([*asked, "--tls-cert-file", str(certificate)]) == 64
    assert "belong together" in capsys.readouterr().err
    assert run([*asked, "--tls-cert-file", str(key), "--tls-key-file", str(key)]) == 64
    assert "are no certificate and its key" in capsys.readouterr().err
    damaged = tmp_path / "ca.pem"
    damaged.write_text("no certificate")
    assert run(["status", "--nats", verifying_url, "--tls-ca-file", str(damaged)]) == 64
    assert "holds no certificate" in capsys.readouterr().err


def test_an_expired_certificate_and_a_foreign_ca(
    authority: Authority, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = authority.leaf(from_="20200101000000Z", until="20200201000000Z")
    config = f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}'
    other = Authority(tmp_path_factory.mktemp("other"))
    with NatsServer(tmp_path, config=config) as server:
        for bundle, says in ((authority.bundle, "has expired (renew it"), (other.bundle, "with tls_ca_file")):
            assert run(["status", "--timeout", "1", "--nats", server.url, "--tls-ca-file", str(bundle)]) == 3
            assert says in capsys.readouterr().err
