import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server
from diagmesh.contract.answers.server_parts import Meta
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import cluster, judged


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (cluster(n3=replace(cluster()[2], meta=Meta(leader="n2", size=3))), Severity.CRITICAL, "n3 says n2"),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-017"]
    finding = found(diagnosis, "SRV-017")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged(cluster())
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-017").verdict is Judged.CLEAR
