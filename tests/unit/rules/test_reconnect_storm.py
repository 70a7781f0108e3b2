import pytest

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import blind_of, judged, signed


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (
            [signed(SignKind.RECONNECTING, count=25)],
            Severity.WARNING,
            "reader was connected to n1 25 times within 5 min",
        ),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-020"]
    finding = found(diagnosis, "SRV-020")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([signed(SignKind.RECONNECTING, count=19)])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-020").verdict is Judged.CLEAR


def test_what_could_not_be_seen_is_no_pass() -> None:
    (unjudged,) = verdict(judged([blind_of("closed")]), "SRV-020").not_judged
    assert "ended connections could not be seen" in unjudged.why
