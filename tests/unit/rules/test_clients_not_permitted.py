import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server, SignKind, Source
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, judged, signed


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (
            [signed(SignKind.PERMISSION_DENIED, source=Source.LOG, subjects=("secret.x",))],
            Severity.WARNING,
            "n1 did not permit reader what it tried on secret.x",
        ),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-022"]
    finding = found(diagnosis, "SRV-022")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([replace(SERVING, log_read=True)])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-022").verdict is Judged.CLEAR


def test_what_could_not_be_seen_is_no_pass() -> None:
    (unjudged,) = verdict(judged([SERVING]), "SRV-022").not_judged
    assert "only the log" in unjudged.why
