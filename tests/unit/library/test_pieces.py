"""Chunks of many in one gather: whatever they send, no more is held than there is room for, and it costs only them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.bus.core import Message
from diagmesh.contract.chunks import (
    CHUNK_HEADER,
    CHUNKED_LIMIT_BYTES,
    DIGEST_HEADER,
    FROM_HEADER,
    ID_HEADER,
    MOST_CHUNKS,
    SIZE_HEADER,
    cut,
)
from diagmesh.expected import Expected, Key
from diagmesh.gather.pieces import Pieces
from diagmesh.gather.plan import Ask, Plan

MIB = 1024 * 1024
SERVICES = ("orders", "payments")


def plan(body: bytes = b'{"chunks": true}', count: int = 2) -> Plan:
    return Plan(
        kind="health",
        asks=tuple(Ask(service=service) for service in SERVICES),
        expected=tuple(Expected(key=Key(service, f"i{number}")) for service in SERVICES for number in range(count)),
        body=body,
    )


def messages(data: bytes, size: int, identifier: str, origin: str = "orders/i1") -> list[Message]:
    return [Message("x", part, "", headers) for part, headers in cut(data, size, identifier, origin)]


def bomb(identifier: str, number: int = 1, of: int = MOST_CHUNKS, data: bytes = b"x") -> Message:
    """One chunk of a reply that never becomes whole."""
    said = {SIZE_HEADER: str(CHUNKED_LIMIT_BYTES), DIGEST_HEADER: "0" * 64, FROM_HEADER: "orders/evil"}
    return Message("x", data, "", {CHUNK_HEADER: f"{number}/{of}", ID_HEADER: identifier, **said})


@pytest.mark.parametrize("body", [b"", b"{}", b'{"chunks": false}', b'{"chunks": 1}', b"\xff", b"[" * 10_000])
def test_where_the_question_did_not_ask_for_chunks_nothing_is_held(body: bytes) -> None:
    pieces = Pieces(plan(body), 64 * MIB)
    for number in range(100):
        taken = pieces.take(0, bomb(f"r{number}", data=b"x" * 1000))
        assert taken is not None
        assert (taken.origin, "did not ask for them" in taken.wrong, taken.data) == ("orders/evil", True, None)
    assert (pieces.held, pieces.incomplete()) == (0, [])


def test_a_bomb_of_one_service_leaves_the_other_its_room() -> None:
    pieces = Pieces(plan(), 4 * MIB)
    for number in range(2000):
        pieces.take(0, bomb(f"r{number}", data=b"x" * (512 * 1024)))
        assert pieces.held <= 2 * MIB, "half of the room, at most"
    good = b"y" * MIB
    came = [pieces.take(1, one) for one in messages(good, 100_000, "good", "payments/i1")]
    assert came[-1] is not None
    assert came[-1].data == good


def test_an_endless_stream_of_chunks_is_cut_off() -> None:
    pieces = Pieces(plan(), 64 * MIB)
    looked_at = sum(pieces.take(0, bomb("same", 1 + number % 2)) is not None for number in range(100_000))
    assert looked_at == MOST_CHUNKS * (16 + 2 * 2)
    assert pieces.held <= 2
    assert [token for token, _ in pieces.incomplete()] == [0]


def test_no_more_replies_are_open_than_may_come() -> None:
    pieces = Pieces(plan(), 64 * MIB)
    said = [pieces.take(0, bomb(f"r{number}")) for number in range(1000)]
    assert len(pieces.incomplete()) == 16 + 2 * 2
    refused = [one.wrong for one in said if one is not None and one.wrong]
    assert set(refused) == {"too many replies in chunks at a time"}


def test_one_more_question_has_room_of_its_own() -> None:
    pieces = Pieces(plan(), 64 * MIB)
    for number in range(5000):
        pieces.take(0, bomb(f"r{number}"))
    pieces.add()
    came = [pieces.take(2, one) for one in messages(b"abcdefghij", 4, "again")]
    assert came[-1] is not None
    assert came[-1].data == b"abcdefghij"


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 30), st.integers(1, 5), st.integers(1, 5), st.binary(max_size=40)),
        max_size=200,
    )
)
def test_whatever_comes_the_room_holds(came: list[tuple[int, int, int, int, bytes]]) -> None:
    pieces = Pieces(plan(), 200)
    for token, sender, number, of, data in came:
        pieces.take(token, bomb(f"r{sender}", number, of, data))
        assert 0 <= pieces.held <= 200
