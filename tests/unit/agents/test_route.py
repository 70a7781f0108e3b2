"""route: without a subject or an observer it says what to add; what the servers tell becomes the answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from diagmesh.appnats import AppReply
from diagmesh.contract.answers.route import RouteQuestion, RouteState
from diagmesh.errors import ConnectionLost, Declined, NoAnswer, NoObserver, NotPermitted, Unavailable
from diagmesh.testing import FakeTarget
from diagmesh_agents.route import route

HEAD = b'{"server":{"name":"n1","ver":"2.15.1"},"data":{}}'
NOBODY = b'{"server":{"name":"n1"},"events":[{"type":"in","acc":"APP","subj":"a"}]}'
DENIED = b'{"server":{"name":"n1"},"events":[{"type":"in","error":"Permissions Violation for Publish"}]}'


class Servers:
    """An observer connection whose servers say what the test gives."""

    there = True
    state = "connected"
    unheard: Mapping[str, str] = {}

    def __init__(self, *told: Any, heads: Any = (HEAD,), server: str = "n1") -> None:
        self.told, self.heads, self.server = list(told), heads, server
        self.traced: list[dict[str, Any]] = []

    async def request(self, subject: str, data: bytes = b"", **_: Any) -> AppReply:
        raise AssertionError(f"a question of its own on {subject}")

    async def listen(self, subject: str, hear: Any) -> Any:
        raise AssertionError(f"a subscription to {subject}")

    async def gather(self, subject: str, data: bytes = b"", **more: Any) -> Sequence[AppReply]:
        said = self.heads if subject.startswith("$SYS") else self.told.pop(0)
        if not subject.startswith("$SYS"):
            self.traced.append({"subject": subject, "data": data, **more})
        if isinstance(said, Exception):
            raise said
        return tuple(AppReply("", one) for one in said)


async def ask(servers: Servers, subject: str = "a") -> Any:
    return await route.look(RouteQuestion(subject=subject), FakeTarget(nats=servers))


async def test_without_a_subject_nothing_is_asked() -> None:
    with pytest.raises(Unavailable) as refused:
        await ask(Servers(), "")
    assert (refused.value.code, "diagmesh route SUBJECT" in refused.value.hint) == (501, True)


async def test_without_an_observer_it_says_what_to_add() -> None:
    with pytest.raises(NoObserver) as refused:
        await route.look(RouteQuestion(subject="a"), FakeTarget())
    assert (refused.value.code, "[targets.nats]" in refused.value.hint) == (501, True)


async def test_every_message_says_that_it_is_to_be_traced_only_and_has_no_body() -> None:
    servers = Servers((NOBODY,))
    assert (await ask(servers)).state is RouteState.NOBODY
    (sent,) = servers.traced
    assert (sent["data"], sent["headers"]) == (b"", {"Nats-Trace-Only": "true"})
    assert sent["reply_header"] == "Nats-Trace-Dest"


async def test_where_a_server_did_not_tell_it_is_asked_once_more_with_patience() -> None:
    half = NOBODY[:-2] + b',{"type":"eg","kind":1,"hop":"1","name":"n2"}]}'
    behind = b'{"request":{"header":{"Nats-Trace-Hop":["1"]}},"events":[{"type":"in"},{"type":"eg","cid":1}]}'
    servers = Servers((half,), (half, behind))
    assert (await ask(servers)).receivers == 1
    assert servers.traced[1]["quiet_s"] > servers.traced[0]["quiet_s"]
    servers = Servers((half,), ())
    assert (await ask(servers)).state is RouteState.UNSEEN


class Late(Servers):
    """Its own server tells its version only to whoever waits a while; another one is quick, and tells it once."""

    def __init__(self, *told: Any, quick: bytes) -> None:
        super().__init__(*told)
        self.quick = quick

    async def gather(self, subject: str, data: bytes = b"", **more: Any) -> Sequence[AppReply]:
        if subject.startswith("$SYS") and more.get("quiet_s", 0.1) < 0.5:
            return (AppReply("", self.quick),)
        return await super().gather(subject, data, **more)


async def test_its_own_server_may_take_longer_to_tell_its_version_than_others() -> None:
    other = HEAD.replace(b"n1", b"n2")
    assert (await ask(Late((NOBODY,), quick=other))).state is RouteState.NOBODY
    servers = Late(quick=other.replace(b"2.15", b"2.10"))
    with pytest.raises(Unavailable, match=r"n2 \(2\.10"):
        await ask(servers)
    assert servers.traced == []


@pytest.mark.parametrize(
    ("servers", "error", "code"),
    [
        (Servers(heads=(HEAD, HEAD.replace(b"n1", b"n2").replace(b"2.15", b"2.10"))), Unavailable, 501),
        (Servers(heads=(HEAD, b"?")), Unavailable, 501),
        (Servers(heads=(HEAD,), server="n9"), Unavailable, 503),
        (Servers(heads=(HEAD,), server=""), Unavailable, 503),
        (Servers(heads=NoAnswer("late")), Unavailable, 503),
        (Servers(heads=NotPermitted("no")), Declined, 403),
        (Servers(heads=ConnectionLost("gone")), Unavailable, 503),
        (Servers(NotPermitted("no")), Declined, 403),
        (Servers((DENIED,)), Declined, 403),
        (Servers(ConnectionLost("gone")), Unavailable, 503),
        (Servers(()), Unavailable, 503),
        (Servers((b"?",)), Unavailable, 503),
    ],
)
async def test_what_keeps_it_from_looking_is_told_by_its_code(servers: Servers, error: Any, code: int) -> None:
    with pytest.raises(error) as refused:
        await ask(servers)
    assert refused.value.code == code
    assert refused.value.detail
    if servers.heads != (HEAD,) or servers.server != "n1":
        assert servers.traced == []  # nothing went out before it was known what the servers are
