"""Servers of other versions: whatever field one lacks or has besides, replies decode and every rule still judges."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from diagmesh.adapters.natsmon import BadReply, plain, told
from diagmesh.adapters.natsmon.events import ClientEvent
from diagmesh.adapters.natsmon.jsinfo import ConsumerReply, StreamReply, reply_of
from diagmesh.adapters.natsmon.jsstate import consumer_state, stream_state
from diagmesh.adapters.natsmon.picture import picture, seen_of
from diagmesh.adapters.natsmon.saved import CLIENT_ERRORS, LOG, parse_moment, replies_of
from diagmesh.adapters.natsmon.saved_streams import streams_of
from diagmesh.adapters.natstrace import path_of
from diagmesh.adapters.natstrace.events import event_of
from diagmesh.contract.codec import encode
from diagmesh.contract.wire import Answer
from diagmesh.diagnose import Diagnosis
from support.replies import NOW
from support.ruling import codes, judge, reply
from unit.library.test_natsmon import kind_of

Where = tuple[str, ...]
_DATA: Final = Path(__file__).parents[2] / "data"
_NEW: Final = {"a_newer_server_says": [{"this": 1}, None, "too"]}
_MAPS: Final = frozenset({"metadata", "mappings", "outbound_gateways", "inbound_gateways", "header"})
"""Besides those whose values are objects all."""
_SHARES: Final = (0.1, 0.5, 0.9)
_NEEDED: Final = {("varz",), ("varz", "server_id"), ("server",), ("data",)}
"""Without these it is no moment of a server, and no reply of a system account; that is told instead."""
_MEANS: Final = {
    "varz.auth_required": {"SRV-007"},
    "jsz.account_details.[].stream_detail.[].cluster.leader": {"JS-011"},
}
"""Fields that servers of every version leave out to say something, and what it means that they are not there."""


def paths(value: Any, at: Where = ()) -> Iterator[Where]:
    """Where a field may be missing; those of all elements of a list are one."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield (*at, key)
            yield from paths(one, (*at, key))
    elif isinstance(value, list):
        yield from dict.fromkeys(path for one in value for path in paths(one, (*at, "[]")))


def without(value: Any, path: Where) -> Any:
    """A copy without that field."""
    key, rest = path[0], path[1:]
    if isinstance(value, list) and key == "[]":
        return [without(one, rest) for one in value]
    if not isinstance(value, dict) or key not in value:
        return value
    return {name: without(one, rest) if name == key else one for name, one in value.items() if rest or name != key}


def thinned(value: Any, share: float, chance: random.Random, at: Where = ()) -> Any:
    """A copy that lacks such a share of its fields."""
    if isinstance(value, list):
        return [thinned(one, share, chance, at) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {key: one for key, one in value.items() if (*at, key) in _NEEDED or chance.random() >= share}
    return {key: thinned(one, share, chance, (*at, key)) for key, one in kept.items()}


def extended(value: Any, at: str = "") -> Any:
    """A copy in which every object says something new; the keys of maps are not fields."""
    if isinstance(value, list):
        return [extended(one, at) for one in value]
    if not isinstance(value, dict):
        return value
    more = {key: extended(one, key) for key, one in value.items()}
    is_map = at in _MAPS or all(isinstance(one, dict) for one in value.values())
    return more if is_map else {**more, **copy.deepcopy(_NEW)}


def variants(body: Any, seed: str) -> Iterator[tuple[str, Any]]:
    """Each field missing, more and more of them missing, and more said everywhere."""
    for path in dict.fromkeys(paths(body)):
        if path not in _NEEDED:
            yield f"without {'.'.join(path)}", without(body, path)
    for share in _SHARES:
        for number in range(5):
            chance = random.Random(f"{seed}{share}{number}")  # noqa: S311  no secret
            yield f"{share:.0%} missing ({number})", thinned(body, share, chance)


def reader_of(name: str) -> Callable[[Any], object] | None:
    """How a capture is read."""
    if name.startswith("trace_"):
        return lambda body: path_of(
            "x", [event_of(_bytes(one)) for one in (body if isinstance(body, list) else [body])]
        )
    if name == "js_consumer_info":
        return lambda body: consumer_state(reply_of(_bytes(body), ConsumerReply, "consumers"), NOW)
    if name == "js_stream_info":
        return lambda body: stream_state(reply_of(_bytes(body), StreamReply, "streams"), NOW)
    kind = kind_of(name)
    if kind is None:
        return None
    if kind is ClientEvent:
        return lambda body: plain(_bytes(body), ClientEvent)
    return lambda body: told(_bytes({"connections": body} if isinstance(body, list) else body), kind).body


def _bytes(body: Any) -> bytes:
    return json.dumps(body).encode()


def test_a_field_more_or_less_keeps_no_capture_from_being_read(fixtures_root: Path) -> None:
    read = 0
    for file in sorted((fixtures_root / "nats-server-2.15").glob("*.json")):
        reader = reader_of(file.stem)
        if reader is None:
            continue
        read += 1
        whole = json.loads(file.read_text())
        body = whole.get("body", whole) if isinstance(whole, dict) else whole
        for what, changed in variants(body, file.stem):
            try:
                reader(changed)
            except BadReply as error:
                pytest.fail(f"{file.stem} {what}: {error}")
        assert reader(extended(body)) == reader(body), file.stem
    assert read >= 50


def judged(parts: dict[str, Any]) -> Diagnosis:
    """What all rules say of a moment."""
    data = {name: _bytes(part) for name, part in parts.items()}
    replies = replies_of(data)
    answers: list[Answer] = [picture(replies, seen_of(replies.varz, 0.0), window_s=1e9)]
    answers += [streams for _, streams in streams_of(data["jsz"])] if "jsz" in data else []
    for one in answers:
        encode(one)
    return judge([reply(one, name="nats/n1") for one in answers])


@pytest.mark.parametrize("file", sorted((_DATA / "scenarios").glob("*.json")), ids=lambda file: file.stem)
def test_a_field_more_or_less_keeps_no_rule_from_judging(file: Path) -> None:
    moment = parse_moment(file.read_bytes())
    assert moment is not None
    parts = {name: json.loads(part) for name, part in moment.items()}
    whole = codes(judged(parts))
    for what, changed in variants(parts, file.stem):
        found = codes(judged(changed))  # fails where a rule is broken
        if what.startswith("without "):
            assert set(found) - set(whole) <= _MEANS.get(what.removeprefix("without "), set()), what
    more = {name: extended(part) if name not in (LOG, CLIENT_ERRORS) else part for name, part in parts.items()}
    assert codes(judged(more)) == whole
