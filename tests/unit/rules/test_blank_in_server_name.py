import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server
from diagmesh.contract.answers.server_parts import Leaf
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, judged


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        ([replace(SERVING, cluster="my cluster")], Severity.ERROR, "cluster 'my cluster'"),
        ([replace(SERVING, domain="a b")], Severity.WARNING, "domain 'a b'"),
        ([replace(SERVING, leafs=(Leaf(name="edge 1"),))], Severity.ERROR, "leafnode 'edge 1'"),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-006"]
    finding = found(diagnosis, "SRV-006")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([SERVING])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-006").verdict is Judged.CLEAR
