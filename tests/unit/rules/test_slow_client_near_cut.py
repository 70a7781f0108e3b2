import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.server import Server
from diagmesh.contract.answers.server_parts import Pending
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from support.ruling import codes, found, verdict
from support.serving import SERVING, blind_of, judged


@pytest.mark.parametrize(
    ("servers", "severity", "words"),
    [
        (
            [
                replace(
                    SERVING,
                    pending=(Pending(name="reader", cid=7, pending_bytes=40 << 20, share=0.62, subjects=("feed.>",)),),
                )
            ],
            Severity.WARNING,
            "40 MiB wait at n1 for reader (feed.>)",
        ),
    ],
)
def test_it_is_found_and_nothing_else(servers: list[Server], severity: Severity, words: str) -> None:
    diagnosis = judged(servers)
    assert codes(diagnosis) == ["SRV-027"]
    finding = found(diagnosis, "SRV-027")
    assert finding.severity is severity
    assert words in finding.title


def test_a_server_that_is_well_is_clear() -> None:
    diagnosis = judged([replace(SERVING, pending=(Pending(name="reader", cid=7, pending_bytes=1 << 20, share=0.02),))])
    assert codes(diagnosis) == []
    assert verdict(diagnosis, "SRV-027").verdict is Judged.CLEAR


def test_what_could_not_be_seen_is_no_pass() -> None:
    (unjudged,) = verdict(judged([blind_of("connz")]), "SRV-027").not_judged
    assert "connections could not be seen" in unjudged.why
