import pytest

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, blind_of, judged, signed


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        ([signed(SignKind.PAYLOAD_EXCEEDED)], Severity.WARNING, "reader of n1: a message above max_payload"),
        ([signed(SignKind.SUBSCRIPTIONS_EXCEEDED)], Severity.WARNING, "more subscriptions"),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-023"]
    finding = found(diagnosis, "SRV-023")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([SERVING])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-023").verdict is Judged.CLEAR


def test_what_could_not_be_seen_is_no_pass() -> None:
    (unjudged,) = verdict(judged([blind_of("closed")]), "SRV-023").not_judged
    assert "ended connections could not be seen" in unjudged.why
