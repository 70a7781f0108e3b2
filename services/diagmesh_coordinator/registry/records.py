"""What is written down, and how: one value per instance and one per declared service, each with its version."""

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from diagmesh.contract.names import check_token, shown
from diagmesh.contract.presence import Heartbeat
from diagmesh.contract.wire import WIRE_VERSION
from diagmesh.errors import BadName, DiagmeshError
from diagmesh.expected import Key

__all__ = [
    "VERSION",
    "DeclaredRecord",
    "MemberRecord",
    "NewerVersion",
    "Record",
    "State",
    "Unreadable",
    "declared_key",
    "decode",
    "encode",
    "member_key",
]

VERSION: Final = 1
_VALUE_BYTES: Final = 8 * 1024
"""Largest value; a member whose labels and kinds do not fit is kept without them."""

State = Literal["here", "left", "forgotten"]
Moment = Annotated[datetime, Meta(tz=True)]
_Text = Annotated[str, Meta(max_length=255)]


class Unreadable(DiagmeshError):
    """A value that is none of ours, or damaged."""


class NewerVersion(Unreadable):
    """A value of a version that we do not know: it is another coordinator's, so it is left alone."""


class MemberRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """``member.<service>.<instance>``: one instance.

    Args:
        v: version of the form.
        state: ``here`` as long as it is expected; ``left`` after its goodbye; ``forgotten`` by an operator.
        observed: when that was so; of two records the one observed later holds.
        last_seen: its last heartbeat, at most about a minute too early while it is live.
        boot: of its newest start.
        n: the count of the last heartbeat that was heard of that start.
        interval_s: pace of its heartbeats.
        server: to which it was connected.
        host: where it ran.
        version: of diagmesh.
        kinds: what it answers.
        labels: of the instance.
        cut: whether kinds and labels were too long to be kept.
        by: who has forgotten it: the public key of the operator, or the coordinator.
    """

    v: int
    state: State
    observed: Moment
    last_seen: Moment
    boot: _Text
    n: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    interval_s: Annotated[float, Meta(gt=0, le=3600)] = 5.0
    server: _Text = ""
    host: _Text = ""
    version: _Text = ""
    kinds: Annotated[tuple[Annotated[str, Meta(max_length=63)], ...], Meta(max_length=64)] = ()
    labels: dict[str, str] = {}
    cut: bool = False
    by: _Text = ""

    @property
    def beat(self) -> Heartbeat:
        """The heartbeat as it may have been."""
        return Heartbeat(
            v=WIRE_VERSION,
            boot=self.boot,
            n=self.n,
            interval_s=self.interval_s,
            server=self.server,
            host=self.host,
            kinds=self.kinds,
            version=self.version,
            labels=self.labels,
        )


class DeclaredRecord(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """``replicas.<service>``: how many instances the settings of a coordinator ask for.

    Args:
        v: version of the form.
        observed: when they last did.
        replicas: how many.
        by: the coordinator.
    """

    v: int
    observed: Moment
    replicas: Annotated[int, Meta(ge=0, le=100_000)]
    by: _Text = ""


Record = MemberRecord | DeclaredRecord


class _Version(msgspec.Struct):
    v: int


_version: Final = msgspec.json.Decoder(_Version)
_member: Final = msgspec.json.Decoder(MemberRecord)
_declared: Final = msgspec.json.Decoder(DeclaredRecord)


def member_key(key: Key) -> str:
    """The key of an instance in the bucket."""
    return f"member.{key.service}.{key.instance}"


def declared_key(service: str) -> str:
    """The key of a declaration."""
    return f"replicas.{service}"


def decode(key: str, value: bytes) -> tuple[Key, Record]:
    """Whose record this is (a declaration has no instance), and what it says.

    Raises:
        NewerVersion: its version is not ours.
        Unreadable: anything else is wrong with key or value.
    """
    what, *names = key.split(".")
    try:
        where = _named(what, names)
        if len(value) > 2 * _VALUE_BYTES:
            raise Unreadable(f"{shown(key, 140)}: {len(value)} bytes are too many")
        if _version.decode(value).v != VERSION:
            raise NewerVersion(f"{shown(key, 140)} is of another version, so it was left alone")
        return where, _member.decode(value) if where.instance else _declared.decode(value)
    except BadName as error:
        raise Unreadable(f"{shown(key, 140)} is no key of ours: {shown(str(error), 140)}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Unreadable(f"{shown(key, 140)} cannot be read: {shown(str(error), 140)}") from None


def _named(what: str, names: list[str]) -> Key:
    if what == "member" and len(names) == 2:
        return Key(check_token(names[0], "service"), check_token(names[1], "instance"))
    if what == "replicas" and len(names) == 1:
        return Key(check_token(names[0], "service"), "")
    raise BadName("write member.SERVICE.INSTANCE or replicas.SERVICE")


def encode(record: Record) -> tuple[Record, bytes]:
    """The bytes of a record, at most 8 KiB, and the record as these bytes tell it."""
    value = msgspec.json.encode(record)
    if len(value) > _VALUE_BYTES and isinstance(record, MemberRecord):
        record = msgspec.structs.replace(record, kinds=(), labels={}, cut=True)
        value = msgspec.json.encode(record)
    return record, value
