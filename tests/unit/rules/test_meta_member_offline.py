import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server
from diagmesh.contract.answers.server_parts import Meta, MetaPeer
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
            [with_peers(MetaPeer(name="n3", offline=True, current=False, heard_s=40.0))],
            Severity.ERROR,
            "n3 of the JetStream meta group (3 members) is away",
        ),
        ([with_peers(MetaPeer(name="n3", heard_s=9.0))], Severity.ERROR, "n3 of the JetStream meta group"),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-015"]
    finding = found(diagnosis, "SRV-015")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged(cluster())
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-015").verdict is Judged.CLEAR


def test_what_could_not_be_seen_is_no_pass() -> None:
    (unjudged,) = verdict(judged([SERVING]), "SRV-015").not_judged
    assert "no meta group" in unjudged.why


def test_what_a_follower_last_heard_says_nothing() -> None:
    assert codes(judged([with_peers(MetaPeer(name="n3", heard_s=900.0), leads=False, leader="n2")])) == []


def test_who_runs_and_is_cut_off_is_not_away() -> None:
    one, two, three = cluster()
    assert one.meta is not None
    late = tuple(replace(peer, heard_s=9.0 if peer.name == "n3" else 0.1) for peer in one.meta.peers)
    one = replace(one, meta=replace(one.meta, peers=late), routes=one.routes[:1])
    diagnosis = judged([one, two, replace(three, routes=three.routes[1:])])
    assert codes(diagnosis) == ["SRV-026"]
    assert codes(judged([one, two])) == ["SRV-015"]
