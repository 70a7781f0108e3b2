import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, cluster, judged


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (
            cluster(n2=replace(cluster()[1], load=replace(SERVING.load, memory_bytes=400 << 20))),
            Severity.WARNING,
            "n2 uses 400 MiB, 20 times the mean",
        ),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-012"]
    finding = found(diagnosis, "SRV-012")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged(cluster())
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-012").verdict is Judged.CLEAR
