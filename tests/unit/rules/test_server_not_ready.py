import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server
from diagmesh.contract.answers.server_parts import HealthCheck
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, judged


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (
            [
                replace(
                    SERVING,
                    health=(HealthCheck(name="ready", ok=False, status_code=503, error="JetStream is not current"),),
                )
            ],
            Severity.ERROR,
            "n1 is not ready: JetStream is not current",
        ),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-001"]
    finding = found(diagnosis, "SRV-001")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([SERVING])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-001").verdict is Judged.CLEAR


def test_what_could_not_be_seen_is_no_pass() -> None:
    (unjudged,) = verdict(judged([replace(SERVING, health=())]), "SRV-001").not_judged
    assert "health check could not be asked" in unjudged.why
