"""Saved monitoring replies: of one moment, in one JSON object or a file each, with log and client errors."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from diagmesh.adapters.natsmon.accountz import Account, Accountz
from diagmesh.adapters.natsmon.accstatz import Accstatz
from diagmesh.adapters.natsmon.connz import Connz
from diagmesh.adapters.natsmon.door import BadReply, told
from diagmesh.adapters.natsmon.gatewayz import Gatewayz
from diagmesh.adapters.natsmon.healthz import Healthz
from diagmesh.adapters.natsmon.jsz import Jsz
from diagmesh.adapters.natsmon.leafz import Leafz
from diagmesh.adapters.natsmon.raftz import META_GROUP, Raftz
from diagmesh.adapters.natsmon.replies import Health, Replies
from diagmesh.adapters.natsmon.routez import Routez
from diagmesh.adapters.natsmon.subsz import Subsz
from diagmesh.adapters.natsmon.varz import Varz
from diagmesh.contract.wire import Blind

__all__ = ["CLIENT_ERRORS", "LOG", "MOST_LINES", "parse_moment", "part_of", "replies_of"]

LOG: Final = "server_log"
CLIENT_ERRORS: Final = "client_errors"
MOST_LINES: Final = 100_000
_KINDS: Final[dict[str, type[Any]]] = {
    "connz": Connz,
    "connz_closed": Connz,
    "jsz": Jsz,
    "subsz": Subsz,
    "healthz": Healthz,
    "leafz": Leafz,
    "routez": Routez,
    "gatewayz": Gatewayz,
    "accountz": Accountz,
    "accstatz": Accstatz,
    "raftz": Raftz,
}
_NAMES: Final = ("varz", *sorted(_KINDS, key=len, reverse=True))
_LOG_NAMES: Final = re.compile(r"(?:nats|server)[-_.]?(?:server)?[-_.]?log|\.log\Z|\Alog\Z")
_CLIENT_NAMES: Final = re.compile(r"client[-_.]?err")
_CASE: Final = re.compile(r"[^a-z0-9]+")
_FILLED_BY: Final = {"connz_closed": "closed"}
T = TypeVar("T")


def part_of(name: str) -> str:
    """Which part of a moment a file holds, by its name (``http_connz_closed.json``); empty for none of them.

    Args:
        name: of the file.
    """
    low = name.lower()
    if _CLIENT_NAMES.search(low):
        return CLIENT_ERRORS
    plain = _CASE.sub("_", low.removesuffix(".gz").removesuffix(".json"))
    found = next((one for one in _NAMES if re.search(rf"(?:\A|_){one}(?:\Z|_)", plain)), "")
    if found == "connz" and "closed" in plain:
        return "connz_closed"
    return found or (LOG if _LOG_NAMES.search(low) else "")


def parse_moment(data: bytes) -> dict[str, bytes] | None:
    """The parts of a moment that is one JSON object; None for another object (a single reply).

    Raises:
        BadReply: it is no JSON object.
    """
    try:
        parts = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadReply(f"no JSON object: {error}") from None
    named = {part_of(name): bytes(part) for name, part in parts.items() if part_of(name)}
    return named if "varz" in named else None


def replies_of(parts: Mapping[str, bytes]) -> Replies:
    """The replies of one moment.

    Args:
        parts: by name, as `part_of` tells; a reply may stand under ``body`` beside how it was captured.

    Raises:
        BadReply: VARZ is missing or cannot be read; parts beside it that cannot are told as blind.
    """
    if "varz" not in parts:
        raise BadReply("there is no varz: without it nothing is known of the server")
    varz = told(bare(parts["varz"]), Varz).body
    if not varz.server_id:
        raise BadReply("its varz names no server: it is no reply of VARZ")
    found: dict[str, Any] = {}
    blind: list[Blind] = []
    for name, kind in _KINDS.items():
        if name not in parts:
            blind.append(Blind(what=_FILLED_BY.get(name, name), why="not among what was saved"))
            continue
        try:
            found[name] = told(bare(parts[name]), kind).body
        except BadReply as error:
            blind.append(Blind(what=_FILLED_BY.get(name, name), why=str(error)))
    health = found.get("healthz")
    raft: Raftz = found.get("raftz", {})
    return Replies(
        varz=varz,
        health={"ready": Health(status=None, body=health)} if health is not None else {},
        closed=found.get("connz_closed"),
        accounts=_accounts(found.get("accountz")),
        meta=next((groups[META_GROUP] for groups in raft.values() if META_GROUP in groups), None),
        log=_lines(parts.get(LOG)),
        client_errors=_lines(parts.get(CLIENT_ERRORS)),
        blind=tuple(one for one in blind if _matters(one, varz)),
        **{name: found.get(name) for name in ("connz", "subsz", "jsz", "accstatz", "leafz", "routez", "gatewayz")},
    )


def _matters(one: Blind, varz: Varz) -> bool:
    """Whether that server has anything of the kind."""
    has = {
        "leafz": bool(varz.leafnodes or varz.leaf.remotes),
        "routez": bool(varz.routes or varz.cluster.port),
        "raftz": bool(varz.routes),
        "gatewayz": bool(varz.gateway.name),
        "jsz": varz.jetstream.config is not None,
        "accountz": False,
        "subsz": False,
    }
    return one.why != "not among what was saved" or has.get(one.what, True)


def _accounts(told_of: Accountz | None) -> dict[str, Account]:
    detail = told_of.account_detail if told_of is not None else None
    return {detail.account_name: detail} if detail is not None else {}


def bare(data: bytes) -> bytes:
    """Without how it was captured: ``{"_capture": …, "body": …}``; a bare list is one of connections.

    Args:
        data: a saved reply.
    """
    try:
        parts = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        parts = {}
    body = bytes(parts["body"]) if "body" in parts and "server_id" not in parts else data
    return b'{"connections":' + body + b"}" if body.lstrip()[:1] == b"[" else body


def _lines(data: bytes | None) -> tuple[str, ...] | None:
    """Lines of text, or a JSON list of them."""
    if data is None:
        return None
    if data.lstrip()[:1] == b"[":
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list):
            return tuple(str(line) for line in found[:MOST_LINES])
    return tuple(data.decode("utf-8", "replace").splitlines()[:MOST_LINES])
