"""Trace events become a path: who gets a message, over which servers, and what could not be followed."""

import json
from pathlib import Path
from typing import Any

import pytest

from diagmesh.adapters.natsmon import BadReply, ServerHead
from diagmesh.adapters.natstrace import path_of
from diagmesh.adapters.natstrace.ask import check_subject, too_old
from diagmesh.adapters.natstrace.events import MOST_BYTES, Event, Told, event_of
from diagmesh.adapters.natstrace.path import denied, missing_hops
from diagmesh.contract.answers.route import Link, Route, RouteState, StepKind
from diagmesh.contract.codec import encode
from diagmesh.errors import Declined

DATA = Path(__file__).parents[2] / "data" / "traces"


def told(name: str) -> list[Told]:
    whole: Any = json.loads((DATA / f"trace_{name}.json").read_text(encoding="utf-8"))
    return [event_of(json.dumps(one).encode()) for one in (whole if isinstance(whole, list) else [whole])]


def path(name: str) -> Route:
    return path_of("x", told(name))


def made(hop: str = "", *events: dict[str, Any], server: str = "n") -> Told:
    header = {"Nats-Trace-Only": ["true"], **({"Nats-Trace-Hop": [hop]} if hop else {})}
    came = {"type": "in", "kind": 0, "acc": "APP", "subj": "x", "ts": "2026-11-23T15:00:00.000000001Z"}
    data = {"server": {"name": server}, "request": {"header": header}, "events": [came, *events]}
    return event_of(json.dumps(data).encode())


def test_a_cluster_and_a_leaf_are_joined_by_their_hops() -> None:
    found = path("cluster_leaf")
    assert [(hop.id, hop.server, hop.link) for hop in found.hops] == [
        ("", "n0", Link.CLIENT),
        ("1", "n1", Link.ROUTE),
        ("2", "n2", Link.ROUTE),
    ]
    assert (found.state, found.receivers, found.streams) == (RouteState.REACHED, 4, 0)
    first = found.hops[0]
    assert [(step.kind, step.name, step.hop) for step in first.steps] == [
        (StepKind.DELIVERED, "diag/orders/i0", ""),
        (StepKind.FORWARDED, "n1", "1"),
        (StepKind.FORWARDED, "n2", "2"),
    ]
    assert first.steps[0].after_ms == pytest.approx(0.014, abs=0.005)
    assert found.hops[2].travel_ms == pytest.approx(1.102, abs=0.01)
    (blind,) = found.blind
    assert "leaf edge" in blind.what  # which told nothing in this capture
    assert missing_hops(told("cluster_leaf"))


def test_the_order_of_arrival_does_not_matter() -> None:
    whole = told("cluster_leaf")
    assert path_of("x", whole) == path_of("x", reversed(whole))


@pytest.mark.parametrize(
    ("name", "state", "receivers", "streams", "kinds"),
    [
        ("pubsub", RouteState.REACHED, 2, 0, ["delivered", "delivered"]),
        ("pubsub_trace_only", RouteState.REACHED, 2, 0, ["delivered", "delivered"]),
        ("jetstream_trace_only", RouteState.REACHED, 0, 1, ["stored"]),
        ("mapping", RouteState.REACHED, 0, 1, ["mapped", "stored"]),
        ("service_import", RouteState.REACHED, 1, 0, ["imported", "delivered"]),
        ("no_interest", RouteState.NOBODY, 0, 0, []),
        ("no_interest_ok", RouteState.NOBODY, 0, 0, []),
    ],
)
def test_what_one_server_tells(name: str, state: RouteState, receivers: int, streams: int, kinds: list[str]) -> None:
    found = path(name)
    assert (found.state, found.receivers, found.streams) == (state, receivers, streams)
    assert [step.kind.value for step in found.hops[0].steps] == kinds
    assert found.blind == ()
    assert denied(told(name)) == ""
    assert not missing_hops(told(name))


def test_an_import_tells_account_and_queue() -> None:
    imported, delivered = path("service_import").hops[0].steps
    assert (imported.account, imported.subject) == ("APP", "svc.add")
    assert (delivered.account, delivered.queue, delivered.cid) == ("APP", "calc", 9)


def test_a_publisher_that_is_refused_is_told_in_the_words_of_the_server() -> None:
    assert denied(told("publish_denied")) == 'Permissions Violation for Publish to "secret.x"'


def test_a_receiver_that_is_refused_does_not_count_as_one() -> None:
    error = "Not delivered because subscription denies this subject"
    refused = {"type": "eg", "kind": 0, "cid": 7, "sub": "x.*", "error": error}
    found = path_of("x", [made("", refused)])
    assert (found.state, found.receivers, found.refusals) == (RouteState.REFUSED, 0, 1)
    found = path_of("x", [made("", refused, {"type": "eg", "kind": 0, "cid": 8})])
    assert (found.state, found.receivers, found.refusals) == (RouteState.REACHED, 1, 1)


def test_what_is_not_followed_is_never_nobody() -> None:
    old = {"type": "eg", "kind": 4, "name": "edge", "hop": "1"}
    words = "Not delivered because remote does not support message tracing"
    for events in (
        [old],
        [{**old, "error": words}],
        [{"type": "si", "acc": "B", "to": "y"}],
        [{"type": "se", "acc": "C", "to": "y"}],
    ):
        found = path_of("x", [made("", *events)])
        assert (found.state, len(found.blind)) == (RouteState.UNSEEN, 1), events
    assert path_of("x", []).state is RouteState.UNSEEN
    assert path_of("x", [made("1")]).state is RouteState.UNSEEN  # the first server did not tell


def test_a_stream_that_keeps_only_what_consumers_want_and_has_none_is_nobody() -> None:
    found = path_of("x", [made("", {"type": "js", "stream": "S", "nointerest": True})])
    assert (found.state, found.streams) == (RouteState.NOBODY, 0)
    assert "keeps nothing" in found.hops[0].steps[0].error


def test_clocks_that_are_not_in_step_tell_no_travel() -> None:
    sent = {"type": "eg", "kind": 1, "hop": "1", "ts": "2026-11-23T15:00:05Z"}
    assert path_of("x", [made("", sent), made("1")]).hops[1].travel_ms is None


def test_however_much_is_told_the_answer_stays_small() -> None:
    many = [{"type": "eg", "kind": 0, "cid": 1, "name": "n" * 500, "sub": "x"}] * 5000
    refused = {"type": "eg", "kind": 0, "cid": 2, "sub": "x", "error": "subscription denies this subject"}
    found = path_of("x", [made("", *many, refused), *(made(f"{number}") for number in range(1, 500))])
    assert (len(found.hops), found.left_out, found.hops[0].left_out) == (64, 436, 4985)
    assert (found.receivers, found.refusals) == (5000, 1)  # all are counted
    assert found.hops[0].steps[0].refused  # what went wrong is kept before what went well
    assert len(encode(found)) < 100_000
    assert (path_of("x", [made("", *many)])).hops[0].left_out == 4000


def test_a_name_of_several_lines_stays_in_one() -> None:
    found = path_of("x", [made("", {"type": "eg", "kind": 0, "name": "a\n\tb\x1b"})])
    assert found.hops[0].steps[0].name.splitlines() == ["a b\x1b"]


def test_an_event_beyond_all_measure_is_not_read() -> None:
    with pytest.raises(BadReply, match="bytes"):
        event_of(b" " * (MOST_BYTES + 1))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"events": 1}', b'{"events":["x"]}', b"\xff"])
def test_what_is_no_event_is_refused(data: bytes) -> None:
    with pytest.raises(BadReply):
        event_of(data)


def test_an_event_of_another_version_is_read_as_far_as_it_is_known() -> None:
    found = event_of(b'{"new": 1, "server": {"name": "n", "x": {}}, "events": [{"type": "zz", "y": 1}, null]}')
    assert found == Told(server=ServerHead(name="n"), events=(Event(type="zz"),))
    assert path_of("x", [found]).hops[0].steps == ()


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("2.11.0", False),
        ("2.15.1", False),
        ("3.0.0-RC.1", False),
        ("2.10.29", True),
        ("2.9", True),
        ("", True),
        ("dev", True),
        ("2.x", True),
        ("²·.11", True),
    ],
)
def test_servers_before_2_11_would_deliver(version: str, old: bool) -> None:
    assert too_old(version) is old


@pytest.mark.parametrize(
    "subject",
    ["", "a.*", "a.>", ">", "a b", "a\tb", "a..b", ".a", "a.", "$JS.API.STREAM.DELETE.X", "$SYS.REQ.X", "x" * 2000],
)
def test_what_is_no_subject_of_the_application_is_declined(subject: str) -> None:
    with pytest.raises(Declined):
        check_subject(subject)


@pytest.mark.parametrize("subject", ["a", "orders.new", "$KV.bucket.key", "Größe.neu", "a*b.c>"])
def test_a_subject_of_the_application_is_followed(subject: str) -> None:
    check_subject(subject)
