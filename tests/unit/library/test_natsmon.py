import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from diagmesh.adapters.natsmon import BadReply, plain, told
from diagmesh.adapters.natsmon.accountz import Account, Accountz
from diagmesh.adapters.natsmon.accstatz import AccountStat, Accstatz
from diagmesh.adapters.natsmon.connz import Connz
from diagmesh.adapters.natsmon.door import Part, ServerHead
from diagmesh.adapters.natsmon.events import ClientEvent
from diagmesh.adapters.natsmon.gatewayz import Gatewayz
from diagmesh.adapters.natsmon.healthz import Healthz
from diagmesh.adapters.natsmon.jsz import AccountDetail, ConsumerDetail, Jsz, limited
from diagmesh.adapters.natsmon.leafz import Leafz
from diagmesh.adapters.natsmon.raftz import META_GROUP, Raftz
from diagmesh.adapters.natsmon.routez import Routez
from diagmesh.adapters.natsmon.spans import parse_span_s
from diagmesh.adapters.natsmon.statsz import Statsz
from diagmesh.adapters.natsmon.subsz import Subsz
from diagmesh.adapters.natsmon.varz import Varz

_OWN: Final = Path(__file__).parents[2] / "data" / "monitoring"
_SPECIAL: Final[dict[str, type[object]]] = {
    "jsz_poison_consumer": ConsumerDetail,
    "jsz_stalled_consumer": ConsumerDetail,
    "sys_account_info": Account,
    "sys_account_conns": AccountStat,
    "sys_account_statz": Accstatz,
    "sys_account_jsz": AccountDetail,
    "sys_server_lameduck": ServerHead,
    "sys_idz": ServerHead,
    "sys_account_connz": Connz,
    "sys_account_leafz": Leafz,
    "sys_account_subsz": Subsz,
    "sys_server_client_auth_err": ClientEvent,
}
_BY_NAME: Final[tuple[tuple[str, type[object]], ...]] = (
    ("varz", Varz),
    ("connz", Connz),
    ("jsz", Jsz),
    ("subsz", Subsz),
    ("healthz", Healthz),
    ("leafz", Leafz),
    ("routez", Routez),
    ("gatewayz", Gatewayz),
    ("accountz", Accountz),
    ("accstatz", Accstatz),
    ("statsz", Statsz),
    ("raftz", Raftz),
    ("sys_account_connect", ClientEvent),
    ("sys_account_disconnect", ClientEvent),
)
_NOT_READ: Final = re.compile(
    r"ipqueuesz|expvarz|profilez|user_info|advisory_|trace_|micro_|js_|nats_request|wire_errors"
)
"""Other formats (advisories, traces, services, streams), and endpoints that nothing here asks for."""


def kind_of(name: str) -> type[object] | None:
    if name in _SPECIAL:
        return _SPECIAL[name]
    return None if _NOT_READ.search(name) else next((kind for part, kind in _BY_NAME if part in name), None)


def agree(said: Any, had: Any, where: str) -> int:
    """Every field of ours that the server told has its value; returns how many there were."""
    if isinstance(had, dict):
        assert isinstance(said, dict), where
        return sum(agree(said[key], value, f"{where}.{key}") for key, value in had.items() if key in said)
    if isinstance(had, list | tuple):
        assert len(said) == len(had), where
        return sum(agree(one, other, f"{where}[]") for one, other in zip(said, had, strict=True))
    if isinstance(had, datetime):
        assert abs((msgspec.convert(said, datetime) - had).total_seconds()) < 1e-5, where
    else:
        assert said == had, where
    return 1


def check(body: Any, kind: type[object], where: str) -> None:
    body = {"connections": body} if isinstance(body, list) else body
    data, said = json.dumps(body).encode(), body
    decoded: object
    if kind is ClientEvent:
        decoded = plain(data, kind)
    else:
        reply = told(data, kind)
        decoded = reply.body
        if reply.server is not None:
            assert reply.server.name == body["server"]["name"]
            said = body.get("data", body.get("statsz", body))
    had = msgspec.to_builtins(decoded, builtin_types=(datetime,))
    assert agree(said, had, where) >= (1 if said else 0), where


@pytest.mark.parametrize("file", sorted(_OWN.glob("*.json")), ids=lambda file: file.stem)
def test_what_the_server_told_is_what_we_have(file: Path) -> None:
    kind = kind_of(file.stem)
    assert kind is not None
    check(json.loads(file.read_text())["body"], kind, file.stem)


def test_every_monitoring_reply_of_the_fixtures_decodes(fixtures_root: Path) -> None:
    unknown, read = [], 0
    for folder in ("nats-server-2.15", "nats/monitoring"):
        for file in sorted((fixtures_root / folder).glob("*.json")):
            kind = kind_of(file.stem)
            if kind is None:
                unknown += [] if _NOT_READ.search(file.stem) else [file.stem]
                continue
            told_there = json.loads(file.read_text())
            check(told_there.get("body", told_there), kind, file.stem)
            read += 1
    assert unknown == []
    assert read >= 50


def test_every_scenario_of_the_fixtures_decodes(fixtures_root: Path) -> None:
    files = sorted((fixtures_root / "nats/scenarios").glob("*.json"))
    for file in files:
        for name, body in json.loads(file.read_text()).items():
            if isinstance(body, dict):
                kind = kind_of(name)
                assert kind is not None, name
                check(body, kind, f"{file.stem}/{name}")
    assert len(files) >= 4


@pytest.mark.parametrize("kind", [kind for _, kind in _BY_NAME if issubclass(kind, Part)])
def test_an_older_server_may_lack_everything_and_a_newer_one_may_say_more(kind: type[Part]) -> None:
    nothing = msgspec.json.encode(dict.fromkeys(kind.__struct_encode_fields__))
    for data in (b"{}", b'{"no_such_field": {"a": [1]}}', nothing):
        assert plain(data, kind) == kind()


def test_nulls_within_lists_and_maps_are_left_out() -> None:
    reply = told(b'{"routes":[null,{"rid":3,"account":null}],"num_routes":1}', Routez)
    assert [route.rid for route in reply.body.routes] == [3]
    assert told(b'{"SYS":{"_meta_":{"peers":null}}}', Raftz).body["SYS"][META_GROUP].peers == {}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no JSON object"),
        (b"404 page not found", "no JSON object"),
        (b"[]", "no JSON object"),
        (b'{"cpu":"much"}', "no reply of VARZ"),
        (b'{"server":{"name":"a"},"error":{"code":400,"description":"bad filter"}}', "bad filter (code 400)"),
    ],
)
def test_what_is_none_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(BadReply, match=re.escape(words)):
        told(data, Varz)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2.171395ms", 0.002171395),
        ("443µs", 443e-6),
        ("189.102155ms", 0.189102155),
        ("1m2s", 62.0),
        ("1y2d3h4m5s", 31708800 + 10800 + 245),
        ("0s", 0.0),
        ("", None),
        ("soon", None),
        ("5s!", None),
    ],
)
def test_spans(text: str, seconds: float | None) -> None:
    assert parse_span_s(text) == pytest.approx(seconds)


def test_a_reservation_beyond_all_bounds_is_none() -> None:
    assert [limited(value) for value in (0, -1, 18446744073709551615, 5)] == [None, None, None, 5]
