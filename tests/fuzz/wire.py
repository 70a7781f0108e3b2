"""What arrives over NATS: questions, replies, heartbeats, pings, the server's lists, control requests, subjects."""

import asyncio
import contextlib
import time
from typing import Any, Final

import msgspec

from diagmesh import keys
from diagmesh.adapters.probes.nats import service_error
from diagmesh.adapters.probes.srv import _Heard as SrvHeard
from diagmesh.aggregate import add_up
from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryServer
from diagmesh.bus.nats.usable import _well_formed, urls_of
from diagmesh.bus.reasons import explain, permission_subject, redact
from diagmesh.client.asked_once import _seen
from diagmesh.client.heard import Heard, heard
from diagmesh.client.who_works import who_works
from diagmesh.connections import connection_key
from diagmesh.contract import subjects
from diagmesh.contract.answers.health import Health, HealthQuestion
from diagmesh.contract.answers.resources import Resources, ResourcesQuestion
from diagmesh.contract.codec import decode_question, decode_reply, encode, error_headers, problem_of
from diagmesh.contract.coding import packed
from diagmesh.contract.control import AUTH_HEADER, ForgetQuestion
from diagmesh.contract.directory import Services, ServicesQuestion
from diagmesh.contract.mesh import Ended, MeshAnswer, MeshQuestion
from diagmesh.contract.names import check_token, legalise, shown
from diagmesh.contract.plain import flaw_of
from diagmesh.contract.verdicts import Check, CheckQuestion
from diagmesh.contract.wire import Answer, Question, Reply
from diagmesh.control import Guard, sign
from diagmesh.errors import BadName, Declined, Refusal, Unreadable
from diagmesh.evidence import Evidence
from diagmesh.expected import Expected, Gathered, Key
from diagmesh.gather import Plan, learn
from diagmesh.gather.plan import Ask
from diagmesh.gather.tally import Tally
from diagmesh.membership import _Round
from diagmesh.settings import CoordinatorSettings, NatsSettings
from diagmesh_cli.history import History, Look
from diagmesh_coordinator.directory import Directory
from diagmesh_coordinator.question import decode_fanout
from fuzz.target import Target, text_of

__all__ = ["TARGETS"]

_QUESTIONS: Final[tuple[type[Question], ...]] = (
    *(HealthQuestion, ResourcesQuestion, MeshQuestion, ServicesQuestion, CheckQuestion, ForgetQuestion),
)
_ANSWERS: Final[tuple[type[Answer], ...]] = (Health, Resources, MeshAnswer, Services, Check)
_REPLY: Final = (
    b'{"v":1,"service":"orders","instance":"i1","boot":"b","host":"h","kind":"health","status":"answered",'
    b'"observed_at":"2026-11-23T14:02:11.482Z","took_ms":3.1,"answer":{"state":"up","pid":7,"uptime_s":1.5,'
    b'"checks":[{"name":"process","kind":"process","verdict":"pass","required":true}]},"findings":[{"code":"PROC-003",'
    b'"severity":"warning","class":"resource-exhaustion","title":"t","instances":["orders/i1"],"evidence":[{"what":"w",'
    b'"value":0.97,"unit":"share","limit":0.9}],"advice":{"now":["n"],"soon":[],"later":[]}}]}'
)
_REFUSED: Final = (
    b'{"v":1,"service":"orders","instance":"i1","boot":"b","host":"h","kind":"health","status":"declined",'
    b'"observed_at":"2026-11-23T14:02:11Z","took_ms":0,"problem":{"code":404,"error":"unknown kind","detail":"d"}}'
)
_BEAT: Final = b'{"v":1,"boot":"b1","n":3,"interval_s":5.0,"server":"n1","kinds":["health"],"labels":{"zone":"a"}}'
_CONNZ: Final = (
    b'{"server":{"name":"n1","id":"N"},"data":{"connections":[{"cid":5,"name":"diag/orders/i1"}],"total":1}}'
)
_DEEP: Final = b'{"x":' + b"[" * 3000
_KEY: Final = keys.generate()


def _question(data: bytes) -> None:
    for kind in _QUESTIONS:
        try:
            asked = decode_question(data, kind)
        except Declined as refusal:
            _told(refusal)
        else:
            assert decode_question(encode(asked), kind) == asked


def _told(refusal: Refusal) -> None:
    """A refusal can always be put into a reply and into its headers."""
    problem = problem_of(refusal)
    encode(problem)
    for value in error_headers(problem).values():
        assert value.isascii()
        assert value.isprintable()
        assert len(value) <= 200


def _fanout(data: bytes) -> None:
    for kind in (None, HealthQuestion, ResourcesQuestion):
        try:
            asked = decode_fanout(data, kind)
        except Declined as refusal:
            _told(refusal)
        else:
            msgspec.json.decode(asked.body(100))


def _reply(data: bytes) -> None:
    with contextlib.suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        decode_reply(data)
    for answer in (*_ANSWERS, None):
        try:
            reply = heard(data, "orders", "", "health", answer)
            _ = reply.answer
        except (Unreadable, Refusal) as error:
            str(error)


def _plain(data: bytes) -> None:
    """What is said to have no flaw can be handed on in either coding, also as a part of something larger."""
    if flaw_of(data):
        return
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    packed(b'{"each":[{"answer":' + data + b"}]}")


def _replies_in_passing(data: bytes) -> None:
    """Replies of which only a few fields are read: by who hedges, by who learns who is there, by who asks for life."""
    with contextlib.suppress(Unreadable):
        _seen(data, "a coordinator")
    troubles: list[dict[str, Any]] = []

    async def ask() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
        server, tasks = MemoryServer(), list[asyncio.Task[None]]()
        answering, asking = server.bus(), server.bus()

        def answer(message: Message) -> None:
            tasks.append(asyncio.get_running_loop().create_task(answering.publish(message.reply, data or b" ")))

        for subject in (subjects.ask_everyone("health"), subjects.ask_mesh("coordinator", "all")):
            await answering.subscribe(subject, answer)
        for key in await learn(asking, "health", total_s=0.01, quiet_s=0.005):
            assert check_token(key.service, "service")
        for one in await who_works(asking, "x", 0.01, asyncio.Event(), bool):
            assert check_token(one.instance, "instance")
        await asyncio.gather(*tasks)

    asyncio.run(ask())
    assert troubles == []


def _tallied(data: bytes) -> None:
    key = Key("orders", "i1")
    expected = (Expected(key=key), Expected(key=Key("orders", "i2")))
    plan = Plan(kind="health", asks=(Ask(service="orders"),), expected=expected)
    tally = Tally(plan)
    tally.take(0, data)
    tally.take(0, data)
    tally.take(0, _REPLY)
    assert len(tally.replies) <= 2
    encode(tally.unexpected)
    for one in tally.notes():
        assert one.isprintable(), one


def _summed(data: bytes) -> None:
    """An answer of any form is added up and judged beside a good one, and its numbers are watched."""
    good = decode_reply(_REPLY)
    try:
        odd = msgspec.structs.replace(good, answer=msgspec.json.decode(data, type=msgspec.Raw))
        msgspec.json.decode(data)
        data.decode()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return  # it would not have come through the envelope
    for kind, answer in (("health", Health), ("resources", Resources), ("other", None)):
        replies = [
            msgspec.structs.replace(odd, kind=kind),
            msgspec.structs.replace(good, kind=kind, instance="i2"),
        ]
        gathered = _gathered(kind, replies)
        encode(add_up(gathered, answer, each=True))
        history = History(kind)
        for _ in range(2):
            history.add(Look(each=tuple(Heard(one, answer) for one in replies)))
        if answer is not None:
            list(Evidence(replies).each(answer))


def _gathered(kind: str, replies: list[Reply]) -> Gathered:
    return Gathered(
        kind=kind,
        replies=replies,
        silent=(),
        unexpected=(),
        expected=2,
        newcomers=(),
        not_waited_for=0,
        ended=Ended.COMPLETE,
        took_s=0.1,
        notes=(),
    )


def _directory(data: bytes) -> None:
    directory = Directory(MemoryServer().bus(), CoordinatorSettings(), clock=lambda: 1.0)
    for subject in ("diagev.hb.orders.i1", "diagev.hb.mesh.c1", "diagev.hb.Orders.", "diagev.hb"):
        directory._heard(Message(subject, data))
    for known in directory.roster:
        assert check_token(known.key.instance, "instance")
    encode([msgspec.to_builtins(known.beat) for known in directory.roster])
    list(directory.problems())
    assert all(one.isprintable() for one in directory.unread())


def _connections(data: bytes) -> None:
    async def listen() -> None:
        round_ = _Round(MemoryServer().bus(), frozenset(), 0.1, time.monotonic)
        for token in ("0", "1"):
            round_._arrived(Message(f"_INBOX.x.y.{token}", data))
        round_._arrived(Message("_INBOX.x.y.0", _CONNZ))
        assert Key("orders", "i1") in round_.keys
        assert "n1" in round_.complete or "n1" in text_of(data)
        round_.close()

    asyncio.run(listen())
    connection_key(text_of(data))


def _ping(data: bytes) -> None:
    async def listen() -> None:
        pings = SrvHeard()
        pings.message(Message("_INBOX.x", data))
        pings.message(Message("_INBOX.x", b"", headers={"Nats-Service-Error-Code": text_of(data)}))

    asyncio.run(listen())
    code, words = service_error(Message("_INBOX.x", b"", headers={"nats-service-error": text_of(data)}))
    assert code is None
    assert len(words) < 300


def _signed(data: bytes) -> None:
    header, _, rest = data.partition(b"\0")
    guard = Guard([_KEY.public], "boot")
    body, subject = rest, "diagctl.orders.log-level.i1"
    for given in (text_of(header), header.decode("latin-1")):
        try:
            guard.check({AUTH_HEADER: given}, subject, body, 1000.0)
        except Declined as refusal:
            _told(refusal)
        else:
            raise AssertionError("nobody signed this")
    good = sign(seed=_KEY.seed, subject=subject, body=body, boot="boot", now=1000.0, nonce="n" * 16)
    assert Guard([_KEY.public], "boot").check({AUTH_HEADER: good}, subject, body, 1001.0) == _KEY.public


def _subjects(data: bytes) -> None:
    text = text_of(data)
    subjects.kind_of(text)
    if subjects.is_inbox(text):
        assert not set(text) & set(" \t\r\n*>\0")
        assert all(text.split("."))
        assert text.startswith(("_INBOX", "_R_."))
    try:
        token = check_token(text, "service")
    except BadName as error:
        assert str(error).isprintable() or not text.isprintable()
        token = check_token(legalise(text), "service")
    for subject in (subjects.ask_one(token, "health"), subjects.ask_instance(token, "health", token)):
        assert subjects.kind_of(subject) == "health"
        assert not subjects.is_inbox(subject)
    assert shown(text, 40).isprintable()
    assert len(shown(text, 40)) <= 40
    assert connection_key(f"diag/{token}/{token}") == Key(token, token)


def _server_words(data: bytes) -> None:
    text = text_of(data)
    assert explain(Exception(text))
    found = permission_subject(Exception(text))
    assert found is None or found[0] in ("publish", "subscription")
    # Only what is well-formed gets so far as to be told of.
    for url in filter(_well_formed, urls_of(NatsSettings(url=f"nats://user:hunter2@{text}"))):
        assert "hunter2" not in redact(url) or "hunter2" in text


TARGETS: Final = (
    Target(
        "question",
        _question,
        ("diagmesh.contract.codec", "diagmesh.serve.responder"),
        (
            b"",
            b" \n",
            b'{"timeout_ms": 100, "detail": "full", "window_s": 60}',
            b'{"services":["a"],"limit":3,"each":true}',
            _DEEP,
        ),
    ),
    Target(
        "fanout",
        _fanout,
        ("diagmesh_coordinator.question",),
        (b'{"services":["orders"],"labels":{"a":"b"},"window_s":3,"detail":"brief"}', b"{}", b"[1]", _DEEP),
    ),
    Target("plain", _plain, ("diagmesh.contract.plain",), (b'{"n":[1e400,18446744073709551616]}', b"1e307", _DEEP)),
    Target("reply", _reply, ("diagmesh.contract.codec", "diagmesh.client.heard"), (_REPLY, _REFUSED, _DEEP)),
    Target(
        "reply-in-passing",
        _replies_in_passing,
        ("diagmesh.client.asked_once", "diagmesh.client.who_works", "diagmesh.gather.learn"),
        (_REPLY, _REFUSED, b'{"instance":"c1","answer":{"working_on":true}}', _DEEP),
    ),
    Target("tally", _tallied, ("diagmesh.gather.tally",), (_REPLY, _REFUSED, b'{"instance":"i2"}')),
    Target(
        "answer",
        _summed,
        ("diagmesh.aggregate.fields", "diagmesh.aggregate.worst", "diagmesh.evidence", "diagmesh_cli.history"),
        (b'{"state":"down","reason":"x","checks":[]}', b'{"cpu":{"cores_used":1e400}}', b"null", _DEEP),
    ),
    Target(
        "heartbeat", _directory, ("diagmesh_coordinator.directory",), (_BEAT, b'{"v":1,"boot":"b","bye":true}', _DEEP)
    ),
    Target("connz", _connections, ("diagmesh.membership",), (_CONNZ, b'{"error":{"code":400}}', _DEEP)),
    Target(
        "ping",
        _ping,
        ("diagmesh.adapters.probes.srv", "diagmesh.adapters.probes.nats"),
        (b'{"id":"x","type":"io.nats.micro.v1.ping_response","metadata":{"pod":"i1"}}', _DEEP, b"503"),
    ),
    Target(
        "control",
        _signed,
        ("diagmesh.control",),
        (b"U" + b"A" * 55 + b".1000.1010." + b"n" * 16 + b"." + b"s" * 86 + b"\0{}",),
    ),
    Target(
        "subject",
        _subjects,
        ("diagmesh.contract.subjects", "diagmesh.contract.names"),
        (
            b"diag.orders.health.i1",
            b"_INBOX.a.b",
            b"_INBOX_coord.x.0",
            b"_R_.x.y",
            b"orders-1",
            b"diag/orders/i1",
            "ä.b".encode(),
        ),
    ),
    Target(
        "server-words",
        _server_words,
        ("diagmesh.bus.reasons",),
        (
            b'Permissions Violation for Publish to "diag.x"',
            b"Authorization Violation",
            b"127.0.0.1:4222",
            b"[::1]:4222",
        ),
    ),
)
