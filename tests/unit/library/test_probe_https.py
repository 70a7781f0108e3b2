import time
from pathlib import Path
from typing import Any

import pytest

from diagmesh.adapters.probes import make
from diagmesh.errors import SettingsError
from diagmesh.settings import ProbeSettings
from diagmesh.target import ProbeResult
from support.certificates import Authority
from support.doors import Script, answers, http_answer, scripted


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def look(url: str, bundle: Path | None, timeout_s: float = 5.0) -> ProbeResult:
    settings = ProbeSettings(http=url, tls_ca_file=str(bundle or ""), timeout_s=timeout_s)
    return await make(settings).look()


async def test_a_good_certificate_passes_by_name_and_by_address(authority: Authority) -> None:
    with scripted(answers(http_answer()), authority.leaf()) as door:
        by_address = await look(f"https://{door.address}/", authority.bundle)
        by_name = await look(f"https://localhost:{door.port}/", authority.bundle)
    assert by_address.ok is True
    assert by_address.status_code == 200
    assert list(by_address.phases_ms) == ["resolve", "connect", "tls", "first_byte", "body"]
    assert by_name.ok is True


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"names": "DNS:other.test"}, "TLS: the certificate is for another name"),
        ({"from_": "20200101000000Z", "until": "20200102000000Z"}, "TLS: the certificate has expired"),
        ({"from_": "20900101000000Z", "until": "20900102000000Z"}, "TLS: the certificate is not valid yet"),
    ],
)
async def test_a_wrong_certificate_is_named(authority: Authority, options: dict[str, Any], words: str) -> None:
    with scripted(answers(http_answer()), authority.leaf(**options)) as door:
        result = await look(f"https://{door.address}/", authority.bundle)
    assert (result.ok, result.reason) == (False, words)


async def test_a_ca_that_is_not_ours_is_named(authority: Authority) -> None:
    with scripted(answers(http_answer()), authority.leaf()) as door:
        result = await look(f"https://{door.address}/", None)
    assert (result.ok, result.reason) == (False, "TLS: the certificate comes from a CA that we do not trust")


async def test_a_ca_that_breaks_the_rules_is_refused_on_every_python_and_the_remedy_told(tmp_path: Path) -> None:
    sloppy = Authority(tmp_path, key_usage="")
    with scripted(answers(http_answer()), sloppy.leaf()) as door:
        result = await look(f"https://{door.address}/", sloppy.bundle)
    assert result.ok is False
    assert result.reason == (
        "TLS: a certificate of the chain breaks RFC 5280 (CA cert does not include key usage extension):"
        " issue it anew by the rules"
    )


async def test_a_certificate_may_itself_be_what_is_trusted(authority: Authority) -> None:
    certificate, key = authority.leaf()
    with scripted(answers(http_answer()), (certificate, key)) as door:
        assert (await look(f"https://{door.address}/", certificate)).ok is True


async def test_plain_text_behind_https_is_named(authority: Authority) -> None:
    with scripted(lambda plug: plug.sendall(http_answer("400 Bad Request"))) as door:
        result = await look(f"https://{door.address}/", authority.bundle)
    assert result.ok is False
    assert "plain text" in result.reason


async def test_tls_behind_http_is_named(authority: Authority) -> None:
    with scripted(answers(http_answer()), authority.leaf()) as door:
        result = await look(f"http://{door.address}/", None)
    assert result.ok is False
    # Python's server closes or sends a TLS alert; both are words of ours.
    assert result.reason in (
        "answers, but not in HTTP (it speaks TLS: use https)",
        "took the connection, then closed it without an answer",
    )


def _says_nothing(plug: Any) -> None:
    while plug.recv(65536):
        pass


def _closes(plug: Any) -> None:
    plug.recv(1)


def _drips_a_record(plug: Any) -> None:
    plug.recv(65536)
    for byte in b"\x16\x03\x03\x10\x00" + b"\x02" * 2000:
        plug.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.parametrize("script", [_says_nothing, _drips_a_record])
async def test_a_handshake_without_end_is_cut_at_the_deadline(authority: Authority, script: Script) -> None:
    with scripted(script) as door:
        started = time.monotonic()
        result = await look(f"https://{door.address}/", authority.bundle, timeout_s=0.4)
        assert time.monotonic() - started < 5.0
    assert (result.ok, result.reason) == (False, "the TLS handshake did not end within 0.4 s")


async def test_a_connection_closed_in_the_handshake_is_named(authority: Authority) -> None:
    with scripted(_closes) as door:
        result = await look(f"https://{door.address}/", authority.bundle)
    assert result.ok is False
    assert "closed the connection during the TLS handshake" in result.reason


async def test_a_slow_body_inside_tls_is_cut_at_the_deadline(authority: Authority) -> None:
    def drips(plug: Any) -> None:
        plug.recv(65536)
        plug.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        for _ in range(1000):
            plug.sendall(b"x")
            time.sleep(0.05)

    with scripted(drips, authority.leaf()) as door:
        result = await look(f"https://{door.address}/", authority.bundle, timeout_s=2.0)
    assert (result.ok, result.reason) == (False, "it began to answer but did not come to an end within 2 s")


async def test_a_bundle_that_went_away_is_no_verdict(authority: Authority, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(authority.bundle.read_bytes())
    with scripted(answers(http_answer()), authority.leaf()) as door:
        probe = make(ProbeSettings(http=f"https://{door.address}/", tls_ca_file=str(bundle)))
        bundle.unlink()
        result = await probe.look()
    assert result.ok is None
    assert "tls_ca_file" in result.reason


def test_a_bundle_without_certificates_is_refused_when_loaded(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("nothing in here")
    with pytest.raises(SettingsError, match="cannot use the CA bundle"):
        make(ProbeSettings(http="https://h/", tls_ca_file=str(bundle)))
