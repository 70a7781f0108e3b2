"""A reply in chunks: whole again in any order, named when something is lost, refused when it lies, bounded always."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.contract.chunks import (
    CHUNK_HEADER,
    CHUNKED_LIMIT_BYTES,
    DIGEST_HEADER,
    FROM_HEADER,
    ID_HEADER,
    MOST_CHUNKS,
    SIZE_HEADER,
    Assemblies,
    Taken,
    cut,
    message_limit,
    reply_limit,
)

Sent = tuple[bytes, dict[str, str]]


def chunks(data: bytes = b"abcdefghij", size: int = 4, identifier: str = "r1", origin: str = "orders/i1") -> list[Sent]:
    return list(cut(data, size, identifier, origin))


def take(assemblies: Assemblies, sent: Sent, token: int = 0) -> Taken:
    return assemblies.take(token, sent[1], sent[0])


def test_each_chunk_describes_the_whole() -> None:
    sent = chunks()
    assert [data for data, _ in sent] == [b"abcd", b"efgh", b"ij"]
    assert [headers[CHUNK_HEADER] for _, headers in sent] == ["1/3", "2/3", "3/3"]
    assert {headers[SIZE_HEADER] for _, headers in sent} == {"10"}
    assert len({headers[DIGEST_HEADER] for _, headers in sent}) == 1
    assert {(headers[ID_HEADER], headers[FROM_HEADER]) for _, headers in sent} == {("r1", "orders/i1")}


def test_a_limit_is_what_the_server_takes_and_what_an_agent_may_send() -> None:
    assert message_limit(1024 * 1024) == 512 * 1024
    assert message_limit(64 * 1024) == 63 * 1024
    assert [message_limit(size) for size in (2048, 1024, 1)] == [1024, 512, 1], "however little a server takes"
    assert reply_limit(1024 * 1024, chunks=False) == 512 * 1024
    assert reply_limit(1024 * 1024, chunks=True) == CHUNKED_LIMIT_BYTES
    assert reply_limit(64 * 1024, chunks=True) == MOST_CHUNKS * 63 * 1024


@given(
    replies=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4),
    size=st.integers(1, 60),
    data=st.data(),
)
def test_mixed_repeated_and_in_any_order_each_is_whole_once(replies: list[bytes], size: int, data: Any) -> None:
    sent = [
        (token % 2, one)
        for token, reply in enumerate(replies)
        for one in chunks(reply, size, f"r{token}", f"orders/i{token}")
    ]
    repeated = sent + data.draw(st.lists(st.sampled_from(sent), max_size=5))
    assemblies = Assemblies()
    came = [take(assemblies, one, token) for token, one in data.draw(st.permutations(repeated))]
    assert not [one.wrong for one in came if one.wrong]
    whole = {one.origin: one.data for one in came if one.data is not None}
    assert whole == {f"orders/i{token}": reply for token, reply in enumerate(replies)}
    assert sum(one.data is not None for one in came) == len(replies)
    assert (assemblies.incomplete(), assemblies.held) == ([], 0)


@given(st.binary(min_size=2, max_size=60), st.data())
def test_what_is_lost_is_named(reply: bytes, data: Any) -> None:
    sent = chunks(reply, data.draw(st.integers(1, len(reply) - 1)))
    lost = data.draw(st.sets(st.sampled_from(range(len(sent))), min_size=1, max_size=len(sent) - 1))
    assemblies = Assemblies()
    came = [take(assemblies, one, 7) for number, one in enumerate(sent) if number not in lost]
    assert all(one.data is None and not one.wrong for one in came)
    ((token, taken),) = assemblies.incomplete()
    said = f"{len(sent) - len(lost)} of {len(sent)} chunks of its reply came"
    assert (token, taken.origin, taken.wrong) == (7, "orders/i1", said)


@pytest.mark.parametrize(
    ("header", "value", "says"),
    [
        (CHUNK_HEADER, "", "n/N"),
        (CHUNK_HEADER, "0/3", "n/N"),
        (CHUNK_HEADER, "4/3", "n/N"),
        (CHUNK_HEADER, "2/65", "n <= N <= 64"),
        (CHUNK_HEADER, "2/99999999999999999999", "n/N"),
        (CHUNK_HEADER, "-1/3", "n/N"),
        (CHUNK_HEADER, "2/3\n", "n/N"),
        (CHUNK_HEADER, "²/3", "n/N"),
        (SIZE_HEADER, "", "number of bytes"),
        (SIZE_HEADER, "-10", "number of bytes"),
        (SIZE_HEADER, str(CHUNKED_LIMIT_BYTES + 1), "number of bytes"),
        (SIZE_HEADER, "9" * 400, "number of bytes"),
        (DIGEST_HEADER, "abc", "64 hexadecimal digits"),
        (ID_HEADER, "", "missing or malformed"),
        (ID_HEADER, "x" * 65, "missing or malformed"),
        (CHUNK_HEADER, "2/4", "contradict"),
        (SIZE_HEADER, "11", "contradict"),
        (DIGEST_HEADER, "0" * 64, "contradict"),
        (FROM_HEADER, "orders/i2", "contradict"),
    ],
)
def test_a_lie_in_a_header_is_told(header: str, value: str, says: str) -> None:
    assemblies, sent = Assemblies(), chunks()
    take(assemblies, sent[0])
    taken = assemblies.take(0, sent[1][1] | {header: value}, sent[1][0])
    assert says in taken.wrong
    assert taken.data is None


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([(b"abcd", "1/3"), (b"efgh", "2/3"), (b"i", "3/3")], "9 bytes instead of 10"),
        ([(b"abcd", "1/3"), (b"efgh", "2/3"), (b"ijk", "3/3")], "more than the 10 bytes"),
        ([(b"abcd", "1/3"), (b"efgh", "2/3"), (b"iJ", "3/3")], "SHA-256"),
        ([(b"abcd", "1/3"), (b"ABCD", "1/3")], "chunk 1 came twice"),
    ],
)
def test_bytes_that_are_not_those_announced_are_told_once(parts: list[tuple[bytes, str]], says: str) -> None:
    assemblies, (_, headers) = Assemblies(), chunks()[0]
    came = [assemblies.take(0, headers | {CHUNK_HEADER: place}, data) for data, place in parts]
    assert says in came[-1].wrong
    assert not any(one.wrong for one in came[:-1])
    assert take(assemblies, chunks()[0]) == Taken("orders/i1"), "what comes of it later is dropped"
    assert (assemblies.held, assemblies.incomplete()) == (0, [])


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 9), st.binary(max_size=20)), max_size=60))
def test_whatever_comes_no_more_is_held_than_there_is_room_for(came: list[tuple[int, int, bytes]]) -> None:
    assemblies = Assemblies(most_bytes=50, most_open=3)
    for number, sender, data in came:
        headers = chunks(identifier=f"r{sender}")[0][1] | {CHUNK_HEADER: f"{number}/3", SIZE_HEADER: "60"}
        assemblies.take(0, headers, data)
        assert assemblies.held <= 50
        assert len(assemblies.incomplete()) <= 3
        assert len(assemblies._ended) <= 3


@given(st.dictionaries(st.sampled_from([CHUNK_HEADER, ID_HEADER, SIZE_HEADER, DIGEST_HEADER, FROM_HEADER]), st.text()))
def test_no_header_of_a_stranger_raises(headers: dict[str, str]) -> None:
    assert Assemblies().take(0, headers, b"x").data is None


def test_one_reply_that_takes_all_the_room_costs_only_itself() -> None:
    assemblies = Assemblies(most_bytes=12)
    assert not take(assemblies, chunks(identifier="a")[0]).wrong
    assert not take(assemblies, chunks(identifier="b")[0]).wrong
    assert not take(assemblies, chunks(identifier="b")[1]).wrong
    assert "no room" in take(assemblies, chunks(identifier="c", origin="orders/i9")[0]).wrong
    assert take(assemblies, chunks(identifier="b")[2]).wrong
    came = [take(assemblies, one) for one in chunks(identifier="a")[1:]]
    assert came[-1].data == b"abcdefghij"
