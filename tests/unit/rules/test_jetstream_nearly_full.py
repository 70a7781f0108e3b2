import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, USE, judged


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (
            [replace(SERVING, jetstream=replace(USE, storage_share=0.92))],
            Severity.WARNING,
            "JetStream storage of n1 at 92 % of 1 GiB",
        ),
        ([replace(SERVING, jetstream=replace(USE, memory_share=0.99))], Severity.ERROR, "memory"),
        (
            [replace(SERVING, jetstream=replace(USE, reserved_storage_share=1.0))],
            Severity.WARNING,
            "reserved storage",
        ),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-005"]
    finding = found(diagnosis, "SRV-005")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([SERVING])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-005").verdict is Judged.CLEAR


def test_what_could_not_be_seen_is_no_pass() -> None:
    (unjudged,) = verdict(judged([replace(SERVING, jetstream=None)]), "SRV-005").not_judged
    assert "JetStream is off" in unjudged.why
