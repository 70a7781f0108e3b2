from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server
from diagmesh.contract.answers.server_parts import Certificate
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, judged


def with_days(days: float) -> Server:
    end = datetime(2026, 12, 1, tzinfo=UTC)
    return replace(SERVING, certificates=(Certificate(door="client", not_after=end, left_s=days * 86_400),))


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        ([with_days(29)], Severity.WARNING, "for client expires in 29 d"),
        ([with_days(6)], Severity.ERROR, "expires in 6 d"),
        ([with_days(-3)], Severity.CRITICAL, "expired 3 d ago"),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-008"]
    finding = found(diagnosis, "SRV-008")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([with_days(31)])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-008").verdict is Judged.CLEAR
