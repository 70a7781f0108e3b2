"""What servers tell of the way of a traced message, and the subjects that people want traced."""

import contextlib
from typing import Final

import msgspec

from diagmesh.adapters.natsmon import BadReply
from diagmesh.adapters.natstrace import path_of
from diagmesh.adapters.natstrace.ask import check_subject, too_old
from diagmesh.adapters.natstrace.events import Told, event_of
from diagmesh.adapters.natstrace.path import denied, missing_hops
from diagmesh.contract.answers.route import Route
from diagmesh.contract.codec import encode
from diagmesh.errors import Declined
from fuzz.target import Target, text_of

__all__ = ["TARGETS"]


def _traces(data: bytes) -> None:
    """An event a line, as of several servers."""
    told: list[Told] = []
    for line in data.split(b"\n")[:100]:
        with contextlib.suppress(BadReply):
            told.append(event_of(line))
    found = path_of("x", told)
    missing_hops(told)
    denied(told)
    assert len(found.hops) + found.left_out <= len(told)
    assert msgspec.json.decode(encode(found), type=Route) == found


def _subjects(data: bytes) -> None:
    text = text_of(data)
    too_old(text)
    with contextlib.suppress(Declined):
        check_subject(text)
        assert "\r" not in text
        assert "\n" not in text
        assert " " not in text


_TRACE: Final = (
    b'{"server":{"name":"a"},"request":{"header":{"Nats-Trace-Hop":["1"]}},"hops":1,"events":[{"type":"in","kind":1,'
    b'"acc":"A","subj":"x","ts":"2026-11-23T14:45:34.754814482Z"},{"type":"eg","kind":4,"hop":"1.1","name":"b"},'
)
TARGETS: Final = (
    Target(
        "traces",
        _traces,
        ("diagmesh.adapters.natstrace.events", "diagmesh.adapters.natstrace.path"),
        (
            _TRACE + b'{"type":"js","stream":"S","nointerest":true},null]}',
            _TRACE + b'{"type":"si","acc":"B","to":"y"},{"type":"eg","error":"publish denied"}]}\n{"events":null}',
            b'{"events":[{"type":"in","error":"no"},{"type":"se","acc":"C"},{"type":"sm","to":"z"}]}',
        ),
    ),
    Target(
        "trace-subject", _subjects, ("diagmesh.adapters.natstrace.ask",), (b"orders.new", b"$JS.API.INFO", b"2.11.0")
    ),
)
