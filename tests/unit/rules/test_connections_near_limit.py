import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server, SignKind
from diagmesh.contract.answers.server_parts import Account, ServerLimits
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, judged, signed


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (
            [
                replace(
                    SERVING,
                    load=replace(SERVING.load, connections=92),
                    limits=replace(SERVING.limits, connections_share=0.92),
                )
            ],
            Severity.WARNING,
            "n1 has 92 of 100 connections",
        ),
        ([replace(SERVING, limits=replace(SERVING.limits, connections_share=1.0))], Severity.ERROR, "of 100"),
        ([signed(SignKind.CONNECTIONS_EXCEEDED, count=3)], Severity.ERROR, "3 connections refused"),
        (
            [signed(SignKind.CONNECTIONS_EXCEEDED, count=3, example="Maximum Account Connections Exceeded")],
            Severity.ERROR,
            "n1 refused 3 connections (reader): their account has as many as it may",
        ),
        (
            [
                replace(
                    signed(SignKind.CONNECTIONS_EXCEEDED, example="Maximum Account Connections Exceeded"),
                    limits=ServerLimits(),
                )
            ],
            Severity.ERROR,
            "their account has as many",
        ),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-009"]
    finding = found(diagnosis, "SRV-009")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([SERVING])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-009").verdict is Judged.CLEAR


def test_an_account_that_is_known_to_be_full_is_told_once() -> None:
    refused = signed(SignKind.CONNECTIONS_EXCEEDED, example="Maximum Account Connections Exceeded")
    full = replace(refused, accounts=(Account(name="SHOP", connections=10, max_connections=10),))
    assert codes(judged([full])) == ["SRV-011"]
