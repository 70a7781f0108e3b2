import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.answers.server_parts import Rates
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, blind_of, judged, signed


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        ([signed(SignKind.SLOW_CONSUMER, subjects=("feed.>",))], Severity.ERROR, "n1 cut off reader (feed.>)"),
        ([replace(SERVING, rates=Rates(over_s=10.0, slow_consumers=2))], Severity.ERROR, "cut off 2 clients"),
        ([replace(signed(SignKind.SLOW_CONSUMER, last_at=SERVING.start), moment_s=2.0)], Severity.INFO, "reader"),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-004"]
    finding = found(diagnosis, "SRV-004")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([SERVING])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-004").verdict is Judged.CLEAR


def test_what_could_not_be_seen_is_no_pass() -> None:
    (unjudged,) = verdict(judged([blind_of("closed")]), "SRV-004").not_judged
    assert "ended connections could not be seen" in unjudged.why


def test_the_count_since_the_start_is_no_finding() -> None:
    counted = replace(SERVING, load=replace(SERVING.load, slow_consumers=7), rates=Rates(over_s=10.0))
    assert codes(judged([counted])) == []
