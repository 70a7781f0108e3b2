"""One question in, exactly one reply out, whatever the agent does."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryBus, MemoryServer
from diagmesh.contract.codec import decode_reply
from diagmesh.contract.findings import Finding, FindingClass, Severity
from diagmesh.contract.wire import Answer, Question, Reply, Status
from diagmesh.declare import AgentSpec, agent
from diagmesh.errors import Unavailable
from diagmesh.packs import Broken
from diagmesh.serve import AgentKinds, Identity, Judge, Responder
from diagmesh.testing import FakeTarget
from diagmesh.workers import KindThreads


class Echo(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A question with one field."""

    word: str = ""
    times: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 1


class Echoed(Answer, frozen=True, kw_only=True, gc=False):
    """An answer with one field."""

    word: str


@agent(budget=1.0, concurrency=2)
async def echo(question: Echo, target: Any) -> Echoed:
    """Say the word again."""
    return Echoed(word=question.word * question.times)


@agent(budget=0.1)
async def hang(question: Echo, target: Any) -> Echoed:
    """Never answer."""
    await asyncio.sleep(3600)
    return Echoed(word="never")


@agent(budget=0.1, concurrency=1)
async def deaf_hang(question: Echo, target: Any) -> Echoed:
    """Never answer, and ignore being cancelled for a while."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    await asyncio.sleep(0.3)
    return Echoed(word="much too late")


@agent(budget=5, concurrency=2)
async def slow(question: Echo, target: Any) -> Echoed:
    """Take a while."""
    await asyncio.sleep(0.2)
    return Echoed(word="done")


@agent(budget=60)
async def held(question: Echo, target: Any) -> Echoed:
    """Answer when the test lets it."""
    while not gate.is_set():
        await asyncio.sleep(0.005)
    return Echoed(word="held")


@agent()
async def broken(question: Echo, target: Any) -> Echoed:
    """Raise something with a secret in it."""
    raise RuntimeError("password=hunter2")


@agent()
async def cancels_itself(question: Echo, target: Any) -> Echoed:
    """Leak a cancellation."""
    raise asyncio.CancelledError


@agent()
async def exits(question: Echo, target: Any) -> Echoed:
    """Try to end the process."""
    raise SystemExit(3)


@agent()
async def unavailable(question: Echo, target: Any) -> Echoed:
    """Not possible here."""
    raise Unavailable("no cgroup here", code=501, error="not on this instance", hint="mount one")


@agent(budget=0.1)
async def blocked_thread(question: Echo, target: Any) -> Echoed:
    """Wait in a thread that does not end."""
    await asyncio.to_thread(gate.wait, 20)
    return Echoed(word="opened")


@agent(budget=1)
async def threaded(question: Echo, target: Any) -> Echoed:
    """Work in a thread that does end."""
    return Echoed(word=await asyncio.to_thread(lambda: threading.current_thread().name))


gate = threading.Event()
AGENTS: list[AgentSpec] = [
    echo, hang, deaf_hang, slow, held, broken, cancels_itself, exits, unavailable, blocked_thread, threaded,
]  # fmt: skip


class Mesh:
    """A responder on a memory bus, and a way to ask it that counts replies."""

    def __init__(self, bus: MemoryBus, responder: Responder, events: list[tuple[str, str]]) -> None:
        self.bus = bus
        self.responder = responder
        self.events = events

    async def ask(self, kind: str, body: bytes = b"", *, wait_s: float = 0.02) -> Reply:
        """Ask, then wait a little longer: a second reply would be seen."""
        replies: list[Message] = []
        first = asyncio.Event()

        def arrived(message: Message) -> None:
            replies.append(message)
            first.set()

        inbox = self.bus.open_inbox(arrived, lambda _: None)
        await self.bus.publish(f"diag.orders.{kind}", body, reply=inbox.reply_to(0, "x"))
        await asyncio.wait_for(first.wait(), 5)
        await asyncio.sleep(wait_s)
        inbox.close()
        assert len(replies) == 1
        reply = decode_reply(replies[0].data)
        headers = replies[0].headers or {}
        if reply.problem is None:
            assert "Nats-Service-Error" not in headers
        else:
            assert headers["Nats-Service-Error-Code"] == str(reply.problem.code)
            assert headers["Nats-Service-Error"] == reply.problem.error
            assert isinstance(reply.answer, msgspec.UnsetType)
        return reply


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    asyncio.get_running_loop().set_default_executor(threads := KindThreads())
    server = MemoryServer(max_payload=64 * 1024)
    bus = server.bus()
    events: list[tuple[str, str]] = []
    target = FakeTarget()
    responder = Responder(
        server.bus(),
        Identity(service="orders", instance="i1", boot="b", host="h"),
        AgentKinds(AGENTS, target),
        concurrency=4,
        emit=lambda kind, what: events.append((kind, what)),
    )
    await bus.subscribe("diag.orders.*", responder.take)
    gate.clear()
    yield Mesh(bus, responder, events)
    gate.set()
    await responder.drain(2)
    threads.shutdown()


async def test_an_answer(mesh: Mesh) -> None:
    reply = await mesh.ask("echo", b'{"word":"hi","times":2,"detail":"full"}')
    assert (reply.v, reply.service, reply.instance, reply.boot, reply.kind) == (1, "orders", "i1", "b", "echo")
    assert reply.status is Status.ANSWERED
    assert bytes(reply.answer) == b'{"word":"hihi"}'  # type: ignore[arg-type]
    assert reply.observed_at is not None
    assert reply.observed_at.microsecond % 1000 == 0
    assert 0 <= reply.took_ms < 1000


@pytest.mark.parametrize(
    ("kind", "body", "status", "code", "error", "detail"),
    [
        ("nonsense", b"", Status.DECLINED, 404, "unknown kind", "nonsense"),
        ("echo", b"not json", Status.DECLINED, 400, "bad request", "no JSON object"),
        ("echo", b"[1]", Status.DECLINED, 400, "bad request", "Expected `object`, got `array`"),
        ("echo", b'{"times":"x"}', Status.DECLINED, 400, "bad request", "Expected `int`, got `str` - at `$.times`"),
        ("echo", b'{"unknown":1}', Status.DECLINED, 400, "bad request", "unknown field `unknown`"),
        ("echo", b'{"timeout_ms":0}', Status.DECLINED, 400, "bad request", "at `$.timeout_ms`"),
        ("echo", b"[" * 60_000, Status.DECLINED, 400, "bad request", ""),
        ("echo", b" " * 65_537, Status.DECLINED, 413, "request too large", "65537"),
        ("hang", b"", Status.LATE, 408, "out of time", "0.1 s"),
        ("deaf-hang", b"", Status.LATE, 408, "out of time", "0.1 s"),
        ("slow", b'{"timeout_ms":50}', Status.LATE, 408, "out of time", "0.05 s"),
        ("hang", b'{"timeout_ms":60000}', Status.LATE, 408, "out of time", "0.1 s"),
        ("unavailable", b"", Status.UNAVAILABLE, 501, "not on this instance", "no cgroup here"),
        ("broken", b"", Status.FAILED, 500, "agent failed", "RuntimeError"),
        ("cancels-itself", b"", Status.FAILED, 500, "agent failed", "CancelledError"),
        ("exits", b"", Status.FAILED, 500, "agent failed", "SystemExit"),
        ("blocked-thread", b"", Status.LATE, 408, "out of time", "0.1 s"),
        ("echo", b'{"word":"yyyyyyyy","times":10000}', Status.FAILED, 413, "answer too large", "80"),
    ],
)  # fmt: skip
async def test_a_problem_says_which(
    mesh: Mesh, kind: str, body: bytes, status: Status, code: int, error: str, detail: str
) -> None:
    logging.getLogger("diagmesh.serve").disabled = True
    server = mesh.bus._server
    server.max_payload = 1024 * 1024  # the asker may send more than the responder takes
    if error == "answer too large":
        server.max_payload = 64 * 1024
    reply = await mesh.ask(kind, body)
    logging.getLogger("diagmesh.serve").disabled = False
    assert reply.problem is not None
    assert (reply.status, reply.problem.code, reply.problem.error) == (status, code, error)
    assert detail in reply.problem.detail
    assert "hunter2" not in repr(reply)
    assert (await mesh.ask("echo", b'{"word":"alive"}')).status is Status.ANSWERED


async def test_a_decoder_that_fails_is_told_not_silent(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    logging.getLogger("diagmesh.serve").disabled = True
    endpoint = mesh.responder._kinds.find("echo")
    assert endpoint is not None

    def fails(data: bytes) -> Question:
        raise UnicodeError("something nobody thought of")

    broken_one = msgspec.structs.replace(endpoint, decode=fails)
    monkeypatch.setattr(mesh.responder._kinds, "find", lambda _: broken_one)
    reply = await mesh.ask("echo")
    logging.getLogger("diagmesh.serve").disabled = False
    assert reply.problem is not None
    assert (reply.problem.code, reply.status) == (500, Status.FAILED)
    assert "incident" in reply.problem.detail


async def test_room_is_left_for_the_headers(mesh: Mesh) -> None:
    """A body of exactly max_payload would not fit any more once the server counts a header."""
    overhead = len((await mesh.bus.request("diag.orders.echo", b'{"word":""}', timeout_s=2)).data)
    limit = 64 * 1024 - 1024
    fits = await mesh.ask("echo", msgspec.json.encode({"word": "x" * (limit - overhead - 20)}))
    assert fits.status is Status.ANSWERED
    too_large = await mesh.ask("echo", msgspec.json.encode({"word": "x" * (limit - overhead + 20)}))
    assert too_large.problem is not None
    assert too_large.problem.error == "answer too large"


async def test_the_404_lists_the_kinds(mesh: Mesh) -> None:
    reply = await mesh.ask("helth")
    assert reply.problem is not None
    assert reply.problem.hint.startswith("kinds: blocked-thread, broken, ")
    assert "echo" in reply.problem.hint


async def test_busy_is_said_not_queued(mesh: Mesh) -> None:
    replies = await asyncio.gather(*(mesh.ask("slow", wait_s=0.3) for _ in range(6)))
    codes = sorted(reply.problem.code if reply.problem else 200 for reply in replies)
    assert codes == [200, 200, 429, 429, 429, 429], "two of this kind at a time"
    assert (await mesh.ask("slow")).status is Status.ANSWERED


async def test_the_whole_member_has_a_limit(mesh: Mesh) -> None:
    kinds = ["slow", "slow", "hang", "hang", "echo"]
    replies = await asyncio.gather(*(mesh.ask(kind, wait_s=0.3) for kind in kinds))
    assert replies[-1].problem is not None
    assert replies[-1].problem.code == 429
    assert "4 in all" in replies[-1].problem.detail


async def test_a_look_that_ignores_its_end_keeps_its_place(mesh: Mesh) -> None:
    assert (await mesh.ask("deaf-hang", wait_s=0)).status is Status.LATE
    second = await mesh.ask("deaf-hang", wait_s=0)
    assert second.problem is not None
    assert second.problem.code == 429
    await asyncio.sleep(0.5)
    assert (await mesh.ask("deaf-hang")).status is Status.LATE, "its place is free again"


async def test_hanging_threads_of_one_kind_starve_no_other(mesh: Mesh) -> None:
    for _ in range(6):
        assert (await mesh.ask("blocked-thread")).status is Status.LATE
    reply = await mesh.ask("threaded")
    assert reply.status is Status.ANSWERED
    assert b"look-threaded" in bytes(reply.answer)  # type: ignore[arg-type]


@pytest.mark.parametrize("reply", ["diagctl.payments.chaos", "diag.orders.echo", "_INBOXX.a", "$JS.API.x", "_INBOX.*"])
async def test_only_inboxes_are_answered(mesh: Mesh, reply: str) -> None:
    heard: list[Message] = []
    await mesh.bus.subscribe(">", heard.append)
    await mesh.bus.publish("diag.orders.echo", b"", reply=reply)
    await asyncio.sleep(0.05)
    assert [message.subject for message in heard] == ["diag.orders.echo"]
    assert mesh.responder.forged == 1
    assert mesh.events[0][0] == "forged-reply"


async def test_without_reply_subject_there_is_nobody_to_answer(mesh: Mesh) -> None:
    await mesh.bus.publish("diag.orders.echo", b"")
    await asyncio.sleep(0.02)
    assert mesh.responder.unanswerable == 1
    assert not mesh.events


async def test_numbers_for_discovery(mesh: Mesh) -> None:
    await mesh.ask("echo")
    await mesh.ask("echo", b"x")
    await mesh.ask("nonsense")
    stats = mesh.responder.stats
    assert set(stats) == {"echo"}, "unknown kinds must not grow the table"
    assert (stats["echo"].requests, stats["echo"].errors) == (2, 1)
    assert stats["echo"].last_error == "400:bad request"
    assert stats["echo"].processing_ns > 0


async def test_drain_answers_what_is_in_work_and_refuses_the_rest(mesh: Mesh) -> None:
    working = asyncio.create_task(mesh.ask("slow", wait_s=0))
    await asyncio.sleep(0.05)
    draining = asyncio.create_task(mesh.responder.drain(5))
    await asyncio.sleep(0)
    late = await mesh.ask("echo")
    assert late.problem is not None
    assert (late.status, late.problem.code) == (Status.UNAVAILABLE, 503)
    assert (await working).status is Status.ANSWERED
    await draining


async def test_drain_is_bounded(mesh: Mesh) -> None:
    stuck = asyncio.create_task(mesh.ask("held"))
    await asyncio.sleep(0.05)
    started = time.monotonic()
    await mesh.responder.drain(0.05)
    assert time.monotonic() - started < 5
    reply = await stuck
    assert reply.problem is not None
    assert reply.problem.code == 503


async def test_a_broken_connection_is_counted_not_raised(mesh: Mesh) -> None:
    task = asyncio.create_task(mesh.ask("held"))
    await asyncio.sleep(0.05)
    mesh.bus._server.cut()
    gate.set()
    async with asyncio.timeout(10):
        while not mesh.responder.unsent:
            await asyncio.sleep(0.01)
    assert mesh.responder.unsent == 1
    mesh.bus._server.heal()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


Ask = Callable[[str, bytes], Awaitable[Reply]]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(st.sampled_from(["word", "times", "timeout_ms", "detail", "x"]), inner, max_size=4)
            ),
            max_leaves=10,
        ).map(msgspec.json.encode),
    )
)
def test_any_body_gets_exactly_one_reply(body: bytes) -> None:
    async def ask_once() -> None:
        server = MemoryServer()
        bus = server.bus()
        responder = Responder(
            bus, Identity(service="orders", instance="i1", boot="b", host="h"), AgentKinds([echo], FakeTarget())
        )
        await bus.subscribe("diag.orders.*", responder.take)
        reply = await Mesh(bus, responder, []).ask("echo", body, wait_s=0)
        assert (reply.problem is None) == (reply.status is Status.ANSWERED)
        if reply.problem is not None:
            assert reply.problem.code in (400, 413)
            assert reply.problem.detail

    asyncio.run(ask_once())


# --- what an answer means


def warned(title: str = "too loud") -> Finding:
    return Finding(code="RES-901", severity=Severity.WARNING, class_=FindingClass.LOGIC_ERROR, title=title)


@contextlib.asynccontextmanager
async def judged_by(judge: Judge, kinds: tuple[str, ...] = ("echo",)) -> AsyncIterator[Mesh]:
    server = MemoryServer(max_payload=64 * 1024)
    bus = server.bus()
    identity = Identity(service="orders", instance="i1", boot="b", host="h")
    responder = Responder(server.bus(), identity, AgentKinds(AGENTS, FakeTarget(), dict.fromkeys(kinds, judge)))
    await bus.subscribe("diag.orders.*", responder.take)
    yield Mesh(bus, responder, [])
    await responder.drain(2)


async def test_findings_go_into_the_reply_beside_the_same_answer() -> None:
    seen: list[Reply] = []

    def judge(reply: Reply) -> tuple[Finding, ...]:
        seen.append(reply)
        return (warned(),)

    async with judged_by(judge) as mesh:
        reply = await mesh.ask("echo", b'{"word":"hi"}')
        assert bytes(reply.answer) == b'{"word":"hi"}'  # type: ignore[arg-type]
        assert reply.findings == (warned(),)
        assert [(one.service, one.instance, one.kind, one.answer) for one in seen] == [
            ("orders", "i1", "echo", reply.answer)
        ]
        assert (await mesh.ask("slow")).findings == (), "nobody judges this kind"
        assert (await mesh.ask("broken")).problem is not None
        assert len(seen) == 1


async def test_a_judge_that_fails_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    def judge(reply: Reply) -> tuple[Finding, ...]:
        raise RuntimeError("on purpose")

    async with judged_by(judge) as mesh:
        reply = await mesh.ask("echo", b'{"word":"hi"}')
    assert (reply.status, reply.findings) == (Status.ANSWERED, ())
    assert "the answer of echo cannot be judged" in caplog.text


async def test_findings_that_do_not_fit_cost_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    async with judged_by(lambda _: (warned("x" * 70_000),)) as mesh:
        reply = await mesh.ask("echo", b'{"word":"hi"}')
    assert (reply.status, reply.findings) == (Status.ANSWERED, ())
    assert "do not fit" in caplog.text


async def test_a_judged_answer_that_is_too_large_is_refused_as_any() -> None:
    async with judged_by(lambda _: (warned(),)) as mesh:
        reply = await mesh.ask("echo", b'{"word":"0123456789","times":9000}')
    assert reply.problem is not None
    assert (reply.problem.code, reply.problem.error, reply.findings) == (413, "answer too large", ())


async def test_a_kind_whose_agent_is_broken_is_told_so_without_what_its_error_said() -> None:
    server = MemoryServer()
    lost = Broken("acme.agents.queue_depth", "RuntimeError: password=hunter2")
    kinds = AgentKinds(AGENTS, FakeTarget(), broken=[lost])
    assert "queue-depth" not in kinds.names()
    responder = Responder(server.bus(), Identity(service="orders", instance="i1", boot="b", host="h"), kinds)
    asker = server.bus()
    await asker.subscribe("diag.orders.*", responder.take)
    message = await asker.request("diag.orders.queue-depth", b'{"any": 1}', timeout_s=5.0)
    reply = decode_reply(message.data)
    assert (reply.status, reply.problem and reply.problem.code) == (Status.UNAVAILABLE, 501)
    assert b"acme.agents.queue_depth" in message.data
    assert b"hunter2" not in message.data
