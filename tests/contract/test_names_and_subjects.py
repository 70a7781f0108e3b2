"""Tokens and subjects: what may stand in a subject, and which subscription hears what."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.contract import subjects
from diagmesh.contract.names import NAME_PATTERN, check_token, legalise, shown
from diagmesh.errors import BadName
from diagmesh.member import addresses_of_coordinator, addresses_of_instance

tokens = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True).filter(lambda token: token not in ("all", "mesh"))


@pytest.mark.parametrize("name", ["orders", "a", "0", "a-b", "x" * 63])
def test_legal(name: str) -> None:
    assert check_token(name, "service") == name


@pytest.mark.parametrize(
    "name",
    ["", "Orders", "a.b", "-a", "x" * 64, "a b", "a\n", "a*", ">", "ä", "a_b", "$srv", "all", "mesh", "a\r\nPUB x"],
)
def test_illegal(name: str) -> None:
    with pytest.raises(BadName, match="service"):
        check_token(name, "service")


@given(st.text(max_size=200))
def test_any_text_can_be_made_legal(raw: str) -> None:
    assert check_token(legalise(raw), "instance")


@given(st.text(max_size=100))
def test_what_passes_fits_the_published_pattern(raw: str) -> None:
    try:
        check_token(raw, "kind", reserved_ok=True)
    except BadName:
        return
    assert re.search(NAME_PATTERN, raw)
    assert not set(raw) & set(".*> \r\n\t$")


@given(st.text(max_size=200), st.integers(1, 100))
def test_what_is_shown_is_short_and_steers_no_terminal(raw: str, most: int) -> None:
    told = shown(raw, most)
    assert told.isprintable()
    assert len(told) == min(len(raw), most)
    if raw.isprintable() and len(raw) <= most:
        assert told == raw


def test_no_name_is_proposed_where_nothing_is_left_of_the_one_given() -> None:
    with pytest.raises(BadName, match=r"\(try 'my-app'\)"):
        check_token("My_App", "service")
    with pytest.raises(BadName) as caught:
        check_token("*", "service")
    assert "try" not in str(caught.value)


@given(service=tokens, kind=tokens, instance=tokens)
def test_exactly_one_address_hears_each_question(service: str, kind: str, instance: str) -> None:
    questions = [
        subjects.ask_one(service, kind),
        subjects.ask_all(service, kind),
        subjects.ask_instance(service, kind, instance),
        subjects.ask_everyone(kind),
    ]
    addresses = addresses_of_instance(service, instance)
    for question in questions:
        assert sum(subjects.matches(address.subject, question) for address in addresses) == 1, question
        assert subjects.kind_of(question) == kind
    for question in (subjects.ask_mesh(kind), subjects.ask_mesh(kind, "all"), subjects.ask_mesh(kind, instance)):
        assert sum(subjects.matches(address.subject, question) for address in addresses_of_coordinator(instance)) == 1
        assert sum(subjects.matches(address.subject, question) for address in addresses) == 0


@pytest.mark.parametrize(
    "reply", ["_INBOX.abc.def", "_INBOX_agent_orders.x.1", "_R_.abc.def", "_INBOX.x"]
)  # fmt: skip
def test_inboxes(reply: str) -> None:
    assert subjects.is_inbox(reply)


@pytest.mark.parametrize(
    "reply",
    ["", "_INBOX", "_INBOXX.y", "diagctl.orders.chaos", "_INBOX.*", "_INBOX.>", "_INBOX.a b", "_INBOX..x", "_INBOX.a.",
     "_R_", "_RX_.a", "$JS.API.STREAM.DELETE.x", "diag._INBOX.x", "_inbox.x",
     "_INBOX.a\n", "_INBOX.a\x00b", "_INBOX.a\u2003b"],
)  # fmt: skip
def test_no_inboxes(reply: str) -> None:
    assert not subjects.is_inbox(reply)
