import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server
from diagmesh.contract.answers.server_parts import Account
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, judged


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (
            [replace(SERVING, accounts=(Account(name="APP", connections=95, max_connections=100),))],
            Severity.WARNING,
            "account APP uses 95 % of its connections",
        ),
        (
            [replace(SERVING, accounts=(Account(name="APP", storage_bytes=10, max_storage_bytes=10),))],
            Severity.ERROR,
            "JetStream storage",
        ),
        ([replace(SERVING, accounts=(Account(name="APP", leafs=9, max_leafs=10),))], Severity.WARNING, "leafnodes"),
        (
            [replace(SERVING, accounts=(Account(name="APP", subscriptions=9, max_subscriptions=10),))],
            Severity.WARNING,
            "subscriptions",
        ),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-011"]
    finding = found(diagnosis, "SRV-011")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([SERVING])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-011").verdict is Judged.CLEAR
