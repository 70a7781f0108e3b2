"""What findings on streams advise names the stream, consumer and message that they are about, not those of the page."""

import re
from typing import Final

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.streams import (
    Cause,
    ConsumerState,
    MessageIds,
    NoQuorum,
    PoisonMessage,
    Repeated,
    Replica,
    Streams,
    Threshold,
)
from support.ruling import ORDERS, WORKER, codes, found, judge, streams

MAILER: Final = replace(
    WORKER, stream="INVOICES", name="mailer", pending=5000, delivered_age_s=300.0, acked_age_s=300.0
)
INVOICES: Final = replace(ORDERS, name="INVOICES", subjects=("invoices.>",))
OWN: Final = Threshold(key="msgs-critical", value=43.0, limit=40.0)
TWICE: Final = MessageIds(read=9, repeated=1, last=(Repeated(seq=7, first_seq=4, apart_s=200.0, age_s=2.0),))
EXAMPLES: Final = re.compile(r"(?<![\w-])(ORDERS|worker|42|17|18|orders\.new|SERVER)(?![\w-])")


def held_up(cause: Cause, **changes: object) -> Streams:
    """One consumer that is held up so."""
    one: ConsumerState = replace(MAILER, cause=cause, **changes)
    return replace(streams(one), over_s=1.0)


BAD: Final[dict[str, Streams]] = {
    "JS-001": held_up(Cause.STALLED, ack_pending=10),
    "JS-002": held_up(Cause.SLOW),
    "JS-003": held_up(Cause.NOBODY, waiting=0),
    "JS-004": held_up(Cause.UNHEARD, push=True, still_s=60.0),
    "JS-005": held_up(Cause.POISON, poison=(PoisonMessage(seq=9, deliveries=3, given_up=True, age_s=1.0),)),
    "JS-006": held_up(Cause.LOOP, redelivered_per_s=50.0),
    "JS-007": held_up(Cause.LATE, redelivered_per_s=5.0, delivered_per_s=5.0),
    "JS-008": streams(replace(INVOICES, discard="new", full_share=1.0, full_of="messages", max_messages=43)),
    "JS-009": streams(replace(MAILER, lost=3)),
    "JS-010": streams(replace(INVOICES, ids=TWICE, duplicate_window_s=120.0)),
    "JS-011": replace(streams(), no_quorum=NoQuorum(reason="no leader", streams=("INVOICES/mailer",))),
    "JS-012": streams(replace(INVOICES, replicas=(Replica(name="n2", offline=True),))),
    "JS-014": streams(replace(MAILER, exceeded=(OWN,))),
    "JS-015": streams(replace(INVOICES, distinct_subjects=2_000_000)),
}


@pytest.mark.parametrize("code", sorted(BAD))
def test_commands_name_what_the_finding_is_about(code: str) -> None:
    diagnosis = judge([BAD[code]])
    assert codes(diagnosis) == [code]
    advice = found(diagnosis, code).advice
    commands = re.findall(r"`(nats [^`]+)`", " ".join((*advice.now, *advice.soon, *advice.later)))
    assert any("INVOICES" in command for command in commands)
    assert [one for one in commands if EXAMPLES.search(one) and not one.startswith("nats server cluster")] == []
    assert len(commands) == len(set(commands)), "advised twice"


def test_a_subject_that_no_stream_takes_is_named() -> None:
    diagnosis = judge([replace(streams(), unheard_subjects=("invoices.$sent",))])
    assert "`nats stream find --subject 'invoices.$sent'`" in str(found(diagnosis, "JS-013").advice.now)
