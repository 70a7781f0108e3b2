import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server
from diagmesh.contract.answers.server_parts import HealthCheck, Meta, MetaPeer
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, cluster, judged


def with_peers(*peers: MetaPeer, leader: str = "n1", leads: bool = True) -> Server:
    return replace(SERVING, meta=Meta(leader=leader, leads=leads, size=3, peers=peers))


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (
            [
                replace(
                    with_peers(MetaPeer(name="n3", offline=True), leader="", leads=False),
                    health=(HealthCheck(name="ready", ok=False, status_code=503, error="no leader"),),
                )
            ],
            Severity.CRITICAL,
            "n1 knows no leader",
        ),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-016"]
    finding = found(diagnosis, "SRV-016")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged(cluster())
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-016").verdict is Judged.CLEAR


def test_what_could_not_be_seen_is_no_pass() -> None:
    (unjudged,) = verdict(judged([SERVING]), "SRV-016").not_judged
    assert "no meta group" in unjudged.why
