"""What the views of NATS say where something is missing: nothing unknown passes for well, and the worst comes first."""

import io
from typing import Any

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.connection import Connection, DoorVerdict
from diagmesh.contract.answers.server_parts import Certificate
from diagmesh_cli.terminal import Terminal
from diagmesh_cli.views.replies import page
from support import replies
from support.connections import LINKED, SHUT
from support.replies import STREAMS, heard
from support.serving import SERVING


@pytest.fixture(autouse=True)
def looked_at_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diagmesh_cli.views.words._now", lambda: replies.NOW)


def lines(answer: Any, kind: str, width: int = 80) -> list[str]:
    """Of the view, without who answered."""
    file = io.StringIO()
    Terminal(file=file, width=width).print(page(heard(answer, kind=kind)))
    return file.getvalue().splitlines()[1:]


def test_a_server_of_which_nothing_is_known_does_not_pass_for_one_that_can_be_used() -> None:
    blind = replace(LINKED.doors[1], verdict=DoorVerdict.BLIND, reason="cannot read orders.creds")
    assert lines(Connection(doors=(blind,)), "connection")[0] == "0 of 1 server can be used, of 1 nothing is known"


def test_a_process_without_a_connection_is_told_first_and_only_as_far_as_it_is_sure() -> None:
    alone = Connection(doors=LINKED.doors[:1], links=(), connections=0)
    first = lines(alone, "connection", 120)[0]
    assert first == "the process has no connection to NATS, 1 of 1 server can be used"
    first = lines(replace(alone, blind=SHUT.blind), "connection", 120)[0]
    assert first.startswith("the process has no connection to a server that its settings name, ")


def test_a_drain_of_which_no_rate_is_known_is_not_called_endless() -> None:
    once = replace(STREAMS.consumers[0], pending=5, pending_per_s=None, drain_s=None, lost_in_s=None)
    assert "never" not in "".join(lines(replace(STREAMS, consumers=(once,)), "streams", 120))


def test_a_certificate_that_has_expired_is_told_so() -> None:
    door = Certificate(door="client", not_after=replies.NOW, left_s=-7200.0)
    assert "certificate for client: expired 2 h 0 min ago" in lines(replace(SERVING, certificates=(door,)), "server")
