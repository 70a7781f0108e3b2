import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server, SignKind, Source
from diagmesh.contract.answers.server_parts import HealthCheck
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, judged, signed


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (
            [
                replace(
                    SERVING,
                    lame_duck=True,
                    accepts=False,
                    health=(HealthCheck(name="ready", ok=False, status_code=500, error="failed to be ready"),),
                )
            ],
            Severity.WARNING,
            "n1 is in lame duck mode",
        ),
        ([signed(SignKind.LAME_DUCK, source=Source.LOG)], Severity.WARNING, "lame duck"),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-002"]
    finding = found(diagnosis, "SRV-002")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([SERVING])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-002").verdict is Judged.CLEAR
