import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server
from diagmesh.contract.answers.server_parts import Meta, MetaPeer
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, judged


def with_peers(*peers: MetaPeer, leader: str = "n1", leads: bool = True) -> Server:
    return replace(SERVING, meta=Meta(leader=leader, leads=leads, size=3, peers=peers))


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        ([with_peers(MetaPeer(name="n3", lag=500))], Severity.WARNING, "n3 lags 500 operations"),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-018"]
    finding = found(diagnosis, "SRV-018")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([with_peers(MetaPeer(name="n3", lag=500), leads=False, leader="n2")])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-018").verdict is Judged.CLEAR


def test_what_could_not_be_seen_is_no_pass() -> None:
    (unjudged,) = verdict(judged([SERVING]), "SRV-018").not_judged
    assert "no meta group" in unjudged.why


def test_who_is_away_is_not_behind() -> None:
    assert codes(judged([with_peers(MetaPeer(name="n3", lag=500, heard_s=9.0))])) == ["SRV-015"]
    assert codes(judged([with_peers(MetaPeer(name="n3", lag=500, heard_s=1.0, current=False))])) == ["SRV-018"]
