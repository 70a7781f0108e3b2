import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server, SignKind, Source
from diagmesh.contract.answers.server_parts import Pending, Rates
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, judged, signed


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (
            [replace(SERVING, rates=Rates(over_s=10.0, stalls=4), pending=(Pending(name="reader", cid=7, share=0.1),))],
            Severity.WARNING,
            "n1 held up publishers; most waits for reader",
        ),
        ([signed(SignKind.PRODUCER_STALLED, source=Source.LOG, who=("flooder",))], Severity.WARNING, "held up flooder"),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-019"]
    finding = found(diagnosis, "SRV-019")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([SERVING])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-019").verdict is Judged.CLEAR


def test_that_the_reader_is_near_its_end_is_told_once() -> None:
    near = (Pending(name="reader", cid=7, pending_bytes=8 << 20, share=0.8),)
    assert codes(judged([replace(SERVING, pending=near)])) == ["SRV-027"]
    diagnosis = judged([replace(SERVING, pending=near, rates=Rates(over_s=10.0, stalls=4))])
    assert codes(diagnosis) == ["SRV-019"]
    assert [one.at for one in found(diagnosis, "SRV-019").evidence if one.what == "pending"] == ["reader"]
