"""Signs out of ended connections: what is one, and what only looks like one."""

from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from diagmesh.adapters.natsmon.connz import Connection, Connz
from diagmesh.adapters.natsmon.signs import signs_of_closed
from diagmesh.contract.answers.server import SignKind

NOW: Final = datetime(2026, 11, 27, 12, tzinfo=UTC)


def kinds(*ended: Connection) -> list[SignKind]:
    return [one.kind for one in signs_of_closed(Connz(now=NOW, connections=ended), 300.0)]


def ended(name: str, reason: str = "Client Closed") -> Connection:
    return Connection(name=name, reason=reason, stop=NOW)


def test_who_comes_and_goes_is_told_but_our_own_attempts_and_commands_are_not() -> None:
    assert kinds(*[ended("restless")] * 25) == [SignKind.RECONNECTING]
    for meant in ("diag-preflight/orders/i1", "diag-cli", "NATS CLI Version 0.3.0"):
        assert kinds(*[ended(meant)] * 25) == [], meant


def test_whoever_goes_without_a_word_is_no_client_that_comes_and_goes() -> None:
    wordless = Connection(ip="127.0.0.1", port=4711, reason="Client Closed", stop=NOW)
    assert kinds(*[wordless] * 25) == []
    assert kinds(*[replace(wordless, lang="go")] * 25) == [SignKind.RECONNECTING]


def test_who_connects_and_says_nothing_has_no_wrong_credentials() -> None:
    assert kinds(ended("", "Authentication Timeout")) == []
    for reason in ("Authentication Failure", "Credentials Revoked", "Missing Account"):
        assert kinds(ended("", reason)) == [SignKind.AUTHENTICATION_FAILED]
