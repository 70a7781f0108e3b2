"""The values of the registry: whatever is written is read back, whatever else lies there is refused by name."""

import string
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.expected import Key
from diagmesh_coordinator.registry.records import (
    DeclaredRecord,
    MemberRecord,
    NewerVersion,
    Record,
    Unreadable,
    declared_key,
    decode,
    encode,
    member_key,
)

AT = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)
SMALL = MemberRecord(v=1, state="here", observed=AT, last_seen=AT, boot="b1")
VALUE_BYTES = 8 * 1024

tokens = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True).filter(lambda one: one not in ("all", "mesh"))
texts = st.text(st.characters(codec="utf-8"), max_size=255)
times = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  given there
members = st.builds(
    MemberRecord,
    v=st.just(1),
    state=st.sampled_from(["here", "left", "forgotten"]),
    observed=times,
    last_seen=times,
    boot=texts,
    n=st.integers(0, 2**63 - 1),
    interval_s=st.floats(0.1, 3600),
    server=texts,
    host=texts,
    version=texts,
    kinds=st.lists(st.text(max_size=63), max_size=64).map(tuple),
    labels=st.dictionaries(texts, texts, max_size=32),
    by=texts,
)
declared = st.builds(DeclaredRecord, v=st.just(1), observed=times, replicas=st.integers(0, 100_000), by=texts)


def whole(record: Record) -> Record:
    """As it may be kept at most: without what is too long."""
    if isinstance(record, MemberRecord):
        return msgspec.structs.replace(record, kinds=(), labels={}, cut=True)
    return record


@given(tokens, tokens, members | declared)
def test_what_is_written_is_read_back_and_bounded(service: str, instance: str, record: Record) -> None:
    is_member = isinstance(record, MemberRecord)
    key = member_key(Key(service, instance)) if is_member else declared_key(service)
    kept, value = encode(record)
    assert len(value) <= VALUE_BYTES
    assert kept in (record, whole(record))
    assert decode(key, value) == (Key(service, instance if is_member else ""), kept)
    # What JetStream takes for a key: no blanks, wildcards or empty tokens.
    assert set(key) <= {*string.ascii_lowercase, *string.digits, "-", "."}
    assert all(key.split("."))


@given(
    st.text(max_size=2000) | st.builds("{}.{}.{}".format, st.sampled_from(["member", "replicas"]), tokens, tokens),
    st.binary(),
)
def test_whatever_lies_there_is_refused_or_read_never_worse(key: str, value: bytes) -> None:
    words = ""
    try:
        decode(key, value)
    except Unreadable as error:
        words = str(error)
    assert len(words) < 400
    assert words.isprintable()


@given(members, st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_damage_is_refused_or_leaves_something_legal(record: MemberRecord, position: int, damage: bytes) -> None:
    _, value = encode(record)
    place = position % len(value)
    with_damage = value[:place] + damage + value[place + len(damage) :]
    try:
        _, read = decode("member.orders.i1", with_damage)
    except Unreadable:
        return
    assert isinstance(read, MemberRecord)
    assert read.beat.interval_s > 0
    assert read.last_seen.tzinfo is not None


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("member.orders", b"{}", "no key of ours"),
        ("member.orders.i1.x", b"{}", "no key of ours"),
        ("member.Orders.i1", b"{}", "no legal name"),
        ("member.all.i1", b"{}", "reserved"),
        ("other.orders.i1", b"{}", "no key of ours"),
        ("member.orders.i1", b"", "cannot be read"),
        ("member.orders.i1", b"\xff\xfe", "cannot be read"),
        ("member.orders.i1", b'{"v":1}', "missing required field"),
        ("member.orders.i1", b"x" * 20_000, "20000 bytes are too many"),
        ("member.orders.i1", b"[" * 10_000, "cannot be read"),
        ("replicas.orders", b'{"v":1,"observed":"2026-11-27T04:00:00Z","replicas":-1}', "cannot be read"),
        ("replicas.orders", b'{"v":1,"observed":"2026-11-27T04:00:00","replicas":1}', "timezone"),
        ("replicas.orders", b'{"v":1,"observed":"2026-11-27T04:00:00Z","replicas":1,"more":2}', "unknown field"),
    ],
)
def test_each_damage_has_its_words(key: str, value: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        decode(key, value)


def test_another_version_is_told_apart_from_damage() -> None:
    later = b'{"v":2,"anything":"else"}'
    with pytest.raises(NewerVersion, match=r"member\.orders\.i1 is of another version"):
        decode("member.orders.i1", later)


def test_labels_that_are_too_long_are_left_out_and_that_is_told() -> None:
    long = msgspec.structs.replace(SMALL, labels={str(number): "\u0001" * 255 for number in range(16)})
    kept, value = encode(long)
    assert isinstance(kept, MemberRecord)
    assert (kept.cut, kept.labels, kept.boot) == (True, {}, "b1")
    assert len(value) < 500
    assert encode(SMALL)[0] is SMALL
