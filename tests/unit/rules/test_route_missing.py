import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server
from diagmesh.contract.answers.server_parts import Link
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import blind_of, cluster, judged


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (cluster(n2=replace(cluster()[1], routes=(Link(name="n1"),))), Severity.ERROR, "n2 has no route to n3"),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-026"]
    finding = found(diagnosis, "SRV-026")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged(cluster())
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-026").verdict is Judged.CLEAR


def test_what_could_not_be_seen_is_no_pass() -> None:
    (unjudged,) = verdict(judged([replace(blind_of("routez"), cluster="c")]), "SRV-026").not_judged
    assert "routes could not be seen" in unjudged.why
