import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server
from diagmesh.contract.answers.server_parts import CpuLook
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import RuleSettings
from support.ruling import codes, found, verdict
from support.serving import SERVING, judged


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (
            [replace(SERVING, load=replace(SERVING.load, cpu_share=0.95, cpu_high_s=8.0))],
            Severity.ERROR,
            "95 % of its 2 cores for 8 s",
        ),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-003"]
    finding = found(diagnosis, "SRV-003")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([SERVING])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-003").verdict is Judged.CLEAR


def test_what_could_not_be_seen_is_no_pass() -> None:
    (unjudged,) = verdict(judged([replace(SERVING, load=replace(SERVING.load, cpu_share=0.95))]), "SRV-003").not_judged
    assert "one look is not enough" in unjudged.why


def test_every_look_must_have_seen_it_whatever_the_threshold() -> None:
    looks = tuple(CpuLook(ago_s=ago, share=share) for ago, share in ((3.0, 0.6), (6.0, 0.7), (9.0, 0.2), (12.0, 0.9)))
    busy = replace(SERVING, load=replace(SERVING.load, cpu_share=0.65, cpu_before=looks))
    assert codes(judged([busy])) == []
    lower = RuleSettings(code="SRV-003", limits={"cpu_share": 0.5})
    diagnosis = judged([busy], lower)
    assert found(diagnosis, "SRV-003").title == "n1 has used 65 % of its 2 cores for 6 s"
    assert codes(judged([busy], RuleSettings(code="SRV-003", limits={"cpu_share": 0.61}))) == []
