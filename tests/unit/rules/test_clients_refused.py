import pytest

from diagmesh.contract.answers.server import Server, SignKind, Source
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, blind_of, judged, signed


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        ([signed(SignKind.AUTHENTICATION_FAILED)], Severity.WARNING, "n1 refused reader: wrong credentials"),
        ([signed(SignKind.AUTHENTICATION_EXPIRED)], Severity.WARNING, "their credentials expired"),
        (
            [signed(SignKind.AUTHENTICATION_FAILED, source=Source.CLIENT, who=(), count=2)],
            Severity.WARNING,
            "refused 2 clients",
        ),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-021"]
    finding = found(diagnosis, "SRV-021")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([SERVING])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-021").verdict is Judged.CLEAR


def test_what_could_not_be_seen_is_no_pass() -> None:
    (unjudged,) = verdict(judged([blind_of("closed")]), "SRV-021").not_judged
    assert "ended connections could not be seen" in unjudged.why
