"""Ask many: attribution, early end, partial results, and why it ended."""

import asyncio
import re
import time
from collections.abc import Collection, Mapping
from functools import partial
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryBus, MemoryServer
from diagmesh.contract.chunks import FROM_HEADER, SIZE_HEADER, cut
from diagmesh.contract.codec import encode
from diagmesh.contract.directory import InstanceState, Rival
from diagmesh.contract.mesh import Ended
from diagmesh.contract.wire import Problem, Status
from diagmesh.errors import MessageTooLarge, NotPermitted
from diagmesh.expected import Absence, Expected, Gathered, Key
from diagmesh.gather import Ask, Gather, Lacking, Plan, learn
from diagmesh.gather.tally import Tally
from support.crowd import Crowd, reply

I1, I2, P1 = Key("orders", "i1"), Key("orders", "i2"), Key("payments", "p1")
GONE = Absence(InstanceState.NOT_CONNECTED, "gone")
HUNG = Absence(InstanceState.SILENT, "hung")


def plan(*keys: Key, lost: tuple[Key, ...] = (), timeout_s: float = 5.0, **more: object) -> Plan:
    expected = tuple(Expected(key=key) for key in keys) + tuple(Expected(key=key, live=False) for key in lost)
    services = sorted({one.key.service for one in expected})
    given = {"asks": tuple(Ask(service=service) for service in services), **more}
    return Plan(kind="health", expected=expected, timeout_s=timeout_s, **given)  # type: ignore[arg-type]


class Verdicts:
    """Says of each missing one what the test tells it; counts how often it was asked."""

    def __init__(self, **verdicts: Absence) -> None:
        self._verdicts = verdicts
        self.asked: list[set[Key]] = []

    async def absences(self, missing: Collection[Expected], _: float) -> Mapping[Key, Absence]:
        self.asked.append({one.key for one in missing})
        return {one.key: self._verdicts[one.key.instance] for one in missing if one.key.instance in self._verdicts}


async def run(crowd: Crowd, asked: Plan, verdicts: Verdicts | None = None) -> Gathered:
    return await Gather(crowd.server.bus(), asked, verdicts.absences if verdicts else None).run()


async def test_it_ends_with_the_last_expected_answer() -> None:
    crowd = Crowd()
    for key in (I1, I2, P1):
        await crowd.instance(*key)
    began = time.monotonic()
    result = await run(crowd, plan(I1, I2, P1))
    assert time.monotonic() - began < 2.5, "the deadline is 5 s"
    assert result.ended is Ended.COMPLETE
    assert {(one.service, one.instance) for one in result.replies} == {I1, I2, P1}
    assert (result.silent, result.unexpected, result.newcomers, result.expected) == ((), (), (), 3)
    assert sorted(message.subject for message in crowd.asked) == ["diag.orders.health.all"] * 2 + [
        "diag.payments.health.all"
    ]


WITH_CHUNKS = b'{"chunks":true}'


async def in_chunks(crowd: Crowd, *keys: Key, lost: Collection[int] = (), lie: str = "") -> None:
    """Instances whose replies come in chunks of 40 bytes, mixed with those of the others."""

    async def send(message: Message) -> None:
        bodies = [encode(reply(*key, answer={"state": "up", "reason": "x" * 100})) for key in keys]
        sent = [cut(data, 40, key.instance, "/".join(key)) for key, data in zip(keys, bodies, strict=True)]
        for number, row in enumerate(zip(*sent, strict=True)):
            for data, headers in row:
                if number not in lost or headers[FROM_HEADER] != "orders/i2":
                    await crowd.bus.publish(message.reply, data, headers=headers | ({SIZE_HEADER: lie} if lie else {}))

    tasks: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    await crowd.bus.subscribe("diag.orders.*.all", lambda one: tasks.append(loop.create_task(send(one))))


async def test_a_look_that_fails_costs_no_answer_and_is_told_counted_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crowd = Crowd()
    await crowd.instance(*I1)

    async def broken(missing: Collection[Expected], _: float) -> Mapping[Key, Absence]:
        raise RuntimeError(f"cannot look for {len(missing)}")

    result = await Gather(crowd.server.bus(), plan(I1, I2, lost=(P1,), timeout_s=1.0), broken).run()
    assert (result.ended, [one.instance for one in result.replies]) == (Ended.TIMEOUT, ["i1"])
    assert {(one.instance, one.reason.partition(":")[0]) for one in result.silent} == {
        ("i2", "unknown"),
        ("p1", "unknown"),
    }
    (told,) = (note for note in result.notes if "RuntimeError" in note)
    assert re.fullmatch(
        r"\d+ looks for why somebody is silent failed: RuntimeError: cannot look for 1; see our log", told
    )
    (logged,) = (one for one in caplog.records if one.name == "diagmesh.gather")
    assert logged.exc_info, "with the place where it happened"


async def test_a_last_look_that_fails_costs_no_answer() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)

    async def broken(_: Collection[Expected], __: float) -> Mapping[Key, Absence]:
        raise RuntimeError("boom")

    result = await Gather(crowd.server.bus(), plan(I1, P1), broken).run()  # nobody listens for payments
    assert (result.ended, [one.instance for one in result.replies]) == (Ended.COMPLETE, ["i1"])
    assert "a look for why somebody is silent failed: RuntimeError: boom; see our log" in result.notes


async def test_mixed_chunks_of_several_are_put_together() -> None:
    crowd = Crowd()
    await in_chunks(crowd, I1, I2)
    result = await run(crowd, plan(I1, I2, body=WITH_CHUNKS))
    assert (result.ended, result.silent, result.unexpected) == (Ended.COMPLETE, (), ())
    assert [one.instance for one in result.replies] == ["i1", "i2"]
    assert all(b"xxxx" in bytes(one.answer) for one in result.replies)  # type: ignore[arg-type]


async def test_who_lost_a_chunk_is_named_with_what_came() -> None:
    crowd = Crowd()
    await in_chunks(crowd, I1, I2, lost=(2, 3))
    result = await run(crowd, plan(I1, I2, timeout_s=0.5, body=WITH_CHUNKS), Verdicts(i2=HUNG))
    assert (result.ended, [one.instance for one in result.replies]) == (Ended.TIMEOUT, ["i1"])
    (silent,) = result.silent
    assert re.fullmatch(r"unknown: \d+ of \d+ chunks of its reply came", silent.reason)


async def test_who_went_away_amid_his_chunks_is_gone() -> None:
    crowd = Crowd()
    await in_chunks(crowd, I1, I2, lost=(2, 3))
    result = await run(crowd, plan(I1, I2, body=WITH_CHUNKS), Verdicts(i2=GONE))
    assert result.ended is Ended.COMPLETE
    (silent,) = result.silent
    assert re.fullmatch(r"not connected: gone; \d+ of \d+ chunks of its reply came", silent.reason)


async def test_chunks_that_lie_are_not_waited_for() -> None:
    crowd = Crowd()
    await in_chunks(crowd, I1, I2, lie="7")
    began = time.monotonic()
    result = await run(crowd, plan(I1, I2, body=WITH_CHUNKS))
    assert time.monotonic() - began < 2.5, "the deadline is 5 s"
    assert sorted(one.instance for one in result.silent) == ["i1", "i2"]
    assert {one.reason for one in result.unexpected} == {"its chunks have more than the 7 bytes they announce"}


async def test_chunks_that_nobody_asked_for_are_not_taken_and_not_waited_for() -> None:
    crowd = Crowd()
    await in_chunks(crowd, I1)
    await crowd.on("diag.orders.*.all", lambda _: [encode(reply(*I2))])
    began = time.monotonic()
    result = await run(crowd, plan(I1, I2, body=b'{"timeout_ms":4500}'))
    assert time.monotonic() - began < 2.5, "the deadline is 5 s"
    assert [one.instance for one in result.replies] == ["i2"]
    (silent,) = result.silent
    assert (silent.instance, silent.reason) == (
        "i1",
        "unknown: its reply came in chunks, and the question did not ask for them",
    )
    assert len(result.unexpected) == 1, "said once, however many chunks came"


async def test_a_second_sidecar_under_the_name_is_told_by_its_chunks_too() -> None:
    crowd = Crowd()
    await crowd.on("diag.orders.*.all", lambda _: [encode(reply(*I1, answer={"state": "up"}))])
    other = encode(reply(*I1, answer={"state": "up"}, boot="b2"))

    async def send(message: Message) -> None:
        for data, headers in cut(other, 40, "x", "orders/i1"):
            await crowd.bus.publish(message.reply, data, headers=headers)

    tasks: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    await crowd.bus.subscribe("diag.orders.*.all", lambda one: tasks.append(loop.create_task(send(one))))
    result = await run(crowd, plan(I1, Key("orders", "i9"), timeout_s=0.5, body=WITH_CHUNKS), Verdicts(i9=HUNG))
    assert len(result.replies) == 1, "counted once"
    assert {one.boot for one in result.rivals[I1]} == {"b1", "b2"}


TOO_LARGE = Problem(code=413, error="answer too large", hint='ask with {"chunks": true}, or for less')


class Heavy:
    """Instances whose answers fit into no message: they refuse, and send chunks when asked for them."""

    def __init__(self, crowd: Crowd, *keys: Key, good: bool = True) -> None:
        self._crowd = crowd
        self._keys = keys
        self._good = good
        self._tasks: set[asyncio.Task[None]] = set()
        self.asked: list[dict[str, object]] = []
        self.at_a_time = self.most_at_a_time = 0

    async def start(self) -> None:
        for key in self._keys:
            for to in ("all", key.instance):
                await self._crowd.bus.subscribe(f"diag.{key.service}.*.{to}", partial(self._take, key))

    def _take(self, key: Key, message: Message) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(key, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, key: Key, message: Message) -> None:
        asked = msgspec.json.decode(message.data or b"{}")
        refusal = encode(reply(*key, status=Status.FAILED, problem=TOO_LARGE))
        if not asked.get("chunks"):
            await self._crowd.bus.publish(message.reply, refusal)
            return
        self.asked.append(asked)
        self.at_a_time += 1
        self.most_at_a_time = max(self.at_a_time, self.most_at_a_time)
        await asyncio.sleep(0.02)
        self.at_a_time -= 1
        data = encode(reply(*key, answer={"text": "x" * 100}))
        for slice_, headers in list(cut(data, 40, key.instance, "/".join(key)))[: None if self._good else 2]:
            await self._crowd.bus.publish(message.reply, slice_, headers=headers)


async def test_large_answers_are_asked_for_again_in_chunks_a_few_at_a_time() -> None:
    crowd = Crowd()
    keys = [Key("orders", f"i{number}") for number in range(7)]
    heavy = Heavy(crowd, *keys)
    await heavy.start()
    await crowd.instance(*P1)
    result = await run(crowd, plan(*keys[:6], P1, body=b'{"window_s":5,"timeout_ms":900}'))
    assert (result.ended, result.silent, result.unexpected) == (Ended.COMPLETE, (), ())
    assert {(one.service, one.instance) for one in result.replies} == {*keys, P1}, "the newcomer, too"
    assert all(one.status is Status.ANSWERED for one in result.replies)
    assert result.newcomers == (keys[6],)
    assert heavy.most_at_a_time == 2
    assert len(heavy.asked) == 7, "each once"
    assert all(one["window_s"] == 5 and 900 < cast(int, one["timeout_ms"]) <= 4500 for one in heavy.asked)


async def test_a_large_answer_that_does_not_come_is_one_that_was_too_large() -> None:
    crowd = Crowd()
    await Heavy(crowd, I1, good=False).start()
    await crowd.instance(*I2)
    result = await run(crowd, plan(I1, I2, timeout_s=0.5))
    statuses = {one.instance: (one.status, one.problem) for one in result.replies}
    assert statuses == {"i2": (Status.ANSWERED, None), "i1": (Status.FAILED, TOO_LARGE)}
    assert result.silent == ()


async def test_who_refuses_chunks_too_is_counted_with_his_first_word() -> None:
    crowd = Crowd()
    await crowd.on("diag.orders.*.>", lambda _: [encode(reply(*I1, status=Status.FAILED, problem=TOO_LARGE))])
    result = await run(crowd, plan(I1))
    assert (result.ended, [one.problem for one in result.replies]) == (Ended.COMPLETE, [TOO_LARGE])


async def test_another_who_answers_for_him_is_not_believed() -> None:
    crowd = Crowd()
    await crowd.on("diag.orders.*.all", lambda _: [encode(reply(*I1, status=Status.FAILED, problem=TOO_LARGE))])
    await crowd.on("diag.orders.*.i1", lambda _: [encode(reply(*I2, answer={"state": "up"}))])
    result = await run(crowd, plan(I1))
    assert [(one.instance, one.problem) for one in result.replies] == [("i1", TOO_LARGE)]
    assert [one.reason for one in result.unexpected] == ["its answer did not come in chunks: somebody else replied"]


async def test_an_absent_service_ends_its_wait_at_once() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    began = time.monotonic()
    result = await run(crowd, plan(I1, P1), Verdicts(p1=GONE))
    assert time.monotonic() - began < 2.5
    assert result.ended is Ended.COMPLETE
    (silent,) = result.silent
    assert (silent.service, silent.instance, silent.reason) == ("payments", "p1", "not connected: gone")


async def test_nobody_listening_although_connected_is_not_called_hung() -> None:
    crowd = Crowd()
    result = await run(crowd, plan(P1), Verdicts(p1=HUNG))
    (silent,) = result.silent
    assert silent.reason.startswith("unknown: its sidecar is connected, but nobody listens")


async def test_whoever_is_not_connected_is_not_waited_for() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    verdicts = Verdicts(i2=GONE)
    began = time.monotonic()
    result = await run(crowd, plan(I1, I2), verdicts)
    assert time.monotonic() - began < 2.5
    assert verdicts.asked[0] == {I2}, "whoever has answered is not looked up"
    assert (result.ended, [one.reason for one in result.silent]) == (Ended.COMPLETE, ["not connected: gone"])


async def test_who_connected_only_after_the_question_is_asked_again() -> None:
    crowd, verdicts = Crowd(), Verdicts(i2=Absence(InstanceState.SILENT, "hung", time.monotonic() + 60))
    await crowd.instance(*I1)

    def comes() -> None:
        tasks.append(asyncio.create_task(crowd.instance(*I2)))

    tasks: list[asyncio.Task[None]] = []
    asyncio.get_running_loop().call_later(0.4, comes)  # between the first repetition, which nobody hears, and the next
    began = time.monotonic()
    result = await run(crowd, plan(I1, I2, timeout_s=20.0), verdicts)
    assert time.monotonic() - began < 10
    assert (result.ended, len(result.replies), result.silent, result.unexpected) == (Ended.COMPLETE, 2, (), ())
    assert [message.subject for message in crowd.asked][-1] == "diag.orders.health.i2"


async def test_who_came_back_and_stays_silent_is_not_called_hung() -> None:
    crowd, verdicts = Crowd(), Verdicts(i2=Absence(InstanceState.SILENT, "hung", time.monotonic() + 60))
    await crowd.instance(*I1)
    await crowd.on("diag.orders.health.i2", lambda _: [])
    result = await run(crowd, plan(I1, I2, timeout_s=1.0), verdicts)
    assert result.ended is Ended.TIMEOUT
    (silent,) = result.silent
    assert silent.reason.startswith("unknown: it could be reached again only when the question had been asked")
    assert len([one for one in crowd.asked if one.subject == "diag.orders.health.i2"]) == 1, "asked again once"


async def test_who_has_been_connected_all_the_time_is_not_asked_again() -> None:
    crowd, verdicts = Crowd(), Verdicts(i2=Absence(InstanceState.SILENT, "hung", time.monotonic() - 60))
    await crowd.instance(*I1)
    await crowd.on("diag.orders.health.i2", lambda _: [])
    result = await run(crowd, plan(I1, I2, timeout_s=1.0), verdicts)
    assert [one.reason for one in result.silent] == ["connected but silent: hung"]
    assert [one.subject for one in crowd.asked] == ["diag.orders.health.all"]


async def test_whoever_hangs_is_waited_for_until_the_deadline_and_no_longer() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    began = time.monotonic()
    result = await run(crowd, plan(I1, I2, timeout_s=0.5), Verdicts(i2=HUNG))
    assert 0.5 <= time.monotonic() - began < 2.5
    assert (result.ended, [one.reason for one in result.silent]) == (Ended.TIMEOUT, ["connected but silent: hung"])
    assert [one.instance for one in result.replies] == ["i1"], "what came is kept"


async def test_without_a_look_the_reason_is_unknown_never_invented() -> None:
    crowd = Crowd()
    await crowd.mute("orders")
    result = await run(crowd, plan(I1, timeout_s=0.1))
    (silent,) = result.silent
    assert silent.reason.startswith("unknown: ")


async def test_the_lost_are_asked_but_not_waited_for() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    began = time.monotonic()
    result = await run(crowd, plan(I1, lost=(I2,)), Verdicts(i2=HUNG))
    assert time.monotonic() - began < 2.5
    assert (result.ended, result.expected, len(result.silent)) == (Ended.COMPLETE, 2, 1)


async def test_a_lost_one_that_answers_after_all_is_counted() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    result = await run(crowd, plan(lost=(I1, I2)), Verdicts(i2=GONE))
    assert [one.instance for one in result.replies] == ["i1"]
    assert [one.instance for one in result.silent] == ["i2"]
    assert result.ended is Ended.COMPLETE


async def test_a_reply_in_the_name_of_another_service_is_not_believed() -> None:
    crowd = Crowd()
    await crowd.mute("orders")
    await crowd.on("diag.payments.*.all", lambda _: [encode(reply("orders", "i1")), encode(reply("payments", "p1"))])
    result = await run(crowd, plan(I1, P1, timeout_s=0.3), Verdicts(i1=HUNG))
    assert [(one.service, one.instance) for one in result.replies] == [P1]
    (forged,) = result.unexpected
    assert (forged.service, forged.instance) == I1
    assert "only payments can answer" in forged.reason
    assert [one.instance for one in result.silent] == ["i1"], "it is still missing"


async def test_an_instance_counts_once_however_often_it_answers() -> None:
    crowd = Crowd()
    await crowd.instance(*I1, times=3)
    result = await run(crowd, plan(I1, I2, timeout_s=0.3))
    assert len(result.replies) == 1
    assert [one.reason for one in result.unexpected] == ["answered more than once; counted once"] * 2


async def test_two_processes_under_one_name_are_told_apart() -> None:
    crowd = Crowd()
    await crowd.on("diag.orders.*.all", lambda _: [encode(reply(boot="b1")), encode(reply(boot="b2"))])
    result = await run(crowd, plan(I1, I2, timeout_s=0.3))
    (twin,) = result.unexpected
    assert "two sidecars answer under this name (boots b1 and b2)" in twin.reason
    assert result.rivals == {I1: (Rival(boot="b1"), Rival(boot="b2"))}


async def test_when_each_reply_came_is_kept() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    await crowd.instance(*I2)
    result = await run(crowd, plan(I1, I2))
    assert result.asked_at is not None
    assert len(result.arrived_s) == len(result.replies) == 2
    assert 0 <= result.arrived_s[0] <= result.arrived_s[1] <= result.took_s
    assert result.rivals == {}


@pytest.mark.parametrize(
    "body",
    [b"not json", b'{"v":1}', b'{"v":"x","service":"orders","instance":"i1"}', b"[" * 5000, b"\xff\xfe", b"null"],
)
async def test_what_cannot_be_read_is_named_and_not_waited_for(body: bytes) -> None:
    crowd = Crowd()
    await crowd.on("diag.orders.*.i1", lambda _: [body])
    began = time.monotonic()
    asked = plan(I1, asks=(Ask(service="orders", instance="i1"),))
    result = await run(crowd, asked)
    assert time.monotonic() - began < 2.5
    (odd,) = result.unexpected
    assert (odd.service, odd.instance) == I1
    assert odd.reason.startswith("its reply cannot be read")
    assert result.silent[0].reason.startswith("unknown: its reply cannot be read")


async def test_answers_of_another_kind_or_instance_are_not_counted() -> None:
    crowd = Crowd()
    await crowd.on("diag.orders.*.i1", lambda _: [encode(reply(kind="resources")), encode(reply(instance="i2"))])
    asked = plan(I1, timeout_s=0.3, asks=(Ask(service="orders", instance="i1"),))
    result = await run(crowd, asked)
    assert [one.reason for one in result.unexpected] == [
        "answers the kind 'resources', not 'health'",
        "arrived where only orders/i1 was asked",
    ]
    assert result.replies == []


async def test_a_newcomer_is_counted_and_noted() -> None:
    crowd = Crowd()
    await crowd.on("diag.orders.*.all", lambda _: [encode(reply(instance="new")), encode(reply(instance="i1"))])
    result = await run(crowd, plan(I1))
    assert (result.expected, len(result.replies), result.newcomers) == (2, 2, (Key("orders", "new"),))
    assert "orders/new" in result.notes[-1]


@pytest.mark.parametrize(
    "data",
    [
        encode(reply(answer={"state": "up"})).replace(b'"up"', b'"\xff"'),
        encode(reply(answer={"state": "up", "x": "?"})).replace(b'"?"', b'"\xff"'),
        encode(reply(answer={"state": "up", "x": 1})).replace(b'"x"', b'"\xff"'),
    ],
    ids=["declared", "undeclared", "name"],
)
async def test_a_reply_that_is_no_text_is_not_counted_wherever_the_odd_byte_is(data: bytes) -> None:
    """What is handed on as it came must be JSON, or one member spoils what everybody said."""
    crowd = Crowd()
    await crowd.on("diag.orders.*.all", lambda _: [data])
    result = await run(crowd, plan(I1))
    assert result.replies == []
    (odd,) = result.unexpected
    assert (odd.service, odd.instance) == I1
    assert odd.reason.startswith("its reply cannot be read: ")
    assert [one.reason for one in result.silent] == [f"unknown: {odd.reason}"]


async def test_words_beyond_ascii_are_text() -> None:
    crowd = Crowd()
    await crowd.on("diag.orders.*.all", lambda _: ['{"x":"zwölf"}'.encode(), encode(reply(answer={"x": "zwölf"}))])
    assert [one.instance for one in (await run(crowd, plan(I1))).replies] == ["i1"]


@pytest.mark.parametrize("name", ["n" * 400_000, "\x1b[2J\u202e", "", "a.b", "*", "all", "I1", "i1\n"])
def test_a_newcomer_needs_a_name_that_a_sidecar_can_have(name: str) -> None:
    tally = Tally(plan(I1))
    assert tally.take(0, encode(reply(instance=name))) is None
    assert (tally.replies, tally.newcomers, tally.notes()) == ([], [], [])
    (odd,) = tally.unexpected
    assert odd.reason == "answers under a name that no sidecar can have"
    assert odd.instance.isprintable()
    assert len(odd.instance) <= 63


def test_whatever_a_reply_says_of_itself_is_told_short_and_printable() -> None:
    tally = Tally(plan(I1))
    wild = "\x1b[2J\u202e" + "w" * 10_000
    tally.take(0, encode(reply()))
    tally.take(0, encode(reply(boot=wild)))
    tally.take(0, encode(reply(kind=wild)))
    tally.take(0, encode(reply(service=wild)))
    tally.take(0, encode(reply(instance="i2")).replace(b'"answered"', msgspec.json.encode(wild)))
    assert len(tally.unexpected) == 4
    for odd in tally.unexpected:
        for text, most in ((odd.service, 63), (odd.instance, 63), (odd.reason, 300)):
            assert text.isprintable(), text
            assert len(text) <= most


async def test_a_responder_that_sends_ten_thousand_replies_is_cut_off() -> None:
    crowd = Crowd()
    flood = [encode(reply(instance=f"x{number}")) for number in range(10_000)]
    await crowd.on("diag.orders.*.all", lambda _: flood)
    await crowd.instance(*P1)
    result = await run(crowd, plan(I1, P1, timeout_s=3))
    assert 1 < len(result.replies) < 2000
    assert any("further replies were not counted" in note for note in result.notes)


async def test_a_limit_stops_it_and_calls_nobody_silent() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    await crowd.mute("payments")
    result = await run(crowd, plan(I1, I2, P1, limit=1), Verdicts(i2=HUNG, p1=HUNG))
    assert (result.ended, len(result.replies), result.silent, result.not_waited_for) == (Ended.LIMIT, 1, (), 2)
    assert any("2 expected were not heard because the limit was reached" in note for note in result.notes)


async def test_a_limit_that_everybody_fits_into_is_complete() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    assert (await run(crowd, plan(I1, limit=1))).ended is Ended.COMPLETE


async def test_our_own_lost_connection_is_nobodys_silence() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    await crowd.mute("payments")
    asking = asyncio.create_task(run(crowd, plan(I1, P1), Verdicts(p1=HUNG)))
    await asyncio.sleep(0.1)
    crowd.server.cut()
    result = await asyncio.wait_for(asking, 3)
    assert (result.ended, result.silent, result.not_waited_for) == (Ended.CONNECTION_LOST, (), 1)
    assert [one.instance for one in result.replies] == ["i1"]


async def test_while_not_connected_nothing_is_waited_for() -> None:
    crowd = Crowd()
    gather = Gather(crowd.server.bus(), plan(I1))
    crowd.server.cut()
    result = await asyncio.wait_for(gather.run(), 1)
    assert (result.ended, result.silent, result.replies) == (Ended.CONNECTION_LOST, (), [])


async def test_a_question_above_the_payload_limit_is_refused() -> None:
    crowd = Crowd(MemoryServer(max_payload=100))
    with pytest.raises(MessageTooLarge):
        await run(crowd, plan(I1, body=b"x" * 101))


class _Forbidding(MemoryBus):
    """Refuses some subjects as a server does: afterwards, and in lower case."""

    def __init__(self, server: MemoryServer, *forbidden: str) -> None:
        super().__init__(server)
        self._forbidden = forbidden

    async def publish(self, subject: str, data: bytes = b"", **more: object) -> None:
        if subject in self._forbidden:
            error = NotPermitted(f"not permitted: this role may not publish {subject} (role x)", subject)
            asyncio.get_running_loop().call_soon(self._inboxes.subject_in_trouble, subject, error)
            return
        await super().publish(subject, data, **more)  # type: ignore[arg-type]


async def test_one_forbidden_subject_does_not_spoil_the_others() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    bus = _Forbidding(crowd.server, "diag.payments.health.all")
    result = await asyncio.wait_for(Gather(bus, plan(I1, P1), Verdicts(p1=HUNG).absences).run(), 2)
    assert [one.instance for one in result.replies] == ["i1"]
    (silent,) = result.silent
    assert "may not publish diag.payments.health.all" in silent.reason


async def test_when_everything_is_forbidden_that_is_the_error() -> None:
    bus = _Forbidding(MemoryServer(), "diag.orders.health.all", "diag.payments.health.all")
    with pytest.raises(NotPermitted):
        await asyncio.wait_for(Gather(bus, plan(I1, P1)).run(), 2)


async def test_with_a_quiet_gap_it_ends_when_nothing_comes_any_more() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    await crowd.instance(*I2)
    asked = plan(asks=(Ask(service="orders"),), quiet_s=0.2, first_s=5.0)
    began = time.monotonic()
    result = await run(crowd, asked)
    assert 0.2 <= time.monotonic() - began < 2.5
    assert (result.ended, len(result.replies), len(result.newcomers)) == (Ended.COMPLETE, 2, 2)


async def test_nobody_to_ask_is_complete_at_once() -> None:
    result = await asyncio.wait_for(run(Crowd(), plan()), 1)
    assert (result.ended, result.expected, result.replies) == (Ended.COMPLETE, 0, [])


async def test_a_stream_gives_replies_as_they_come_and_ends_with_the_result() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    await crowd.mute("payments")
    gather = Gather(crowd.server.bus(), plan(I1, P1, timeout_s=0.6), Verdicts(p1=HUNG).absences)
    began = time.monotonic()
    first = None
    async for one in gather.stream():
        first = first or time.monotonic() - began
        assert one.instance == "i1"
    assert first is not None
    assert first < 0.5 < time.monotonic() - began
    assert gather.result is not None
    assert (gather.result.ended, len(gather.result.silent)) == (Ended.TIMEOUT, 1)


async def test_a_stream_that_is_left_early_leaves_nothing_behind() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    await crowd.mute("payments")
    before = asyncio.all_tasks()
    stream = Gather(crowd.server.bus(), plan(I1, P1), Verdicts(p1=HUNG).absences).stream()
    async for _ in stream:
        break
    await stream.aclose()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before


async def test_names_are_learned_from_whoever_answers_everybody() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    await crowd.instance(*P1)
    await crowd.on("diag.all.*", lambda _: [b"junk", b'{"service":"a.b","instance":"*"}'])
    assert await learn(crowd.server.bus(), "health", quiet_s=0.1) == {I1, P1}
    assert await asyncio.wait_for(learn(MemoryServer().bus(), "health", total_s=5), 1) == frozenset()


async def test_hoped_for_names_are_waited_for_but_never_called_silent() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    asked = Plan(kind="health", asks=(Ask(service="orders"),), hoped=frozenset({I1}), timeout_s=5)
    began = time.monotonic()
    result = await run(crowd, asked)
    assert time.monotonic() - began < 2.5
    assert (result.ended, len(result.replies), result.silent) == (Ended.COMPLETE, 1, ())
    made_up = Plan(kind="health", asks=(Ask(service="orders"),), hoped=frozenset({I2}), timeout_s=0.2)
    assert (await run(crowd, made_up)).silent == ()


async def test_no_more_names_are_learned_than_there_is_room_for() -> None:
    crowd = Crowd()
    flood = [encode(reply(instance=f"x{number}")) for number in range(50)]
    await crowd.on("diag.all.*", lambda _: flood)
    assert len(await learn(crowd.server.bus(), "health", quiet_s=0.1, most=20)) == 20


def test_replies_above_the_bytes_that_are_kept_are_only_counted() -> None:
    first, second = encode(reply(instance="i1")), encode(reply(instance="i2"))
    tally = Tally(plan(I1, I2), most_bytes=len(first) + len(second) - 1)
    assert (tally.take(0, first), tally.take(0, second)) == (I1, None)
    assert tally.notes() == ["1 further replies were not counted"]
    assert Tally(plan(I1, I2), most_bytes=len(first)).take(0, first) == I1, "what just fits is taken"


def test_a_flood_of_one_service_costs_no_other_its_place() -> None:
    good = encode(reply(*P1))
    tally = Tally(plan(I1, P1), most_bytes=20_000)
    for number in range(3000):
        tally.take(0, encode(reply(instance=f"x{number}", answer={"text": "x" * 100})))
    for _ in range(3000):
        tally.take(0, encode(reply(*I1, answer={"text": "y" * 400})))
    assert tally.take(1, good) == P1
    assert sum(len(bytes(cast(bytes, one.answer))) for one in tally.replies if one.answer) < 20_000
    assert any("further replies were not counted" in note for note in tally.notes())


async def test_large_answers_of_made_up_names_are_asked_for_last_and_not_all_of_them() -> None:
    crowd = Crowd()
    made_up = [encode(reply("orders", f"x{number}", status=Status.FAILED, problem=TOO_LARGE)) for number in range(300)]
    await crowd.on("diag.orders.*.all", lambda _: made_up)
    await crowd.on("diag.orders.*.*", lambda _: [])
    heavy = Heavy(crowd, I1, I2)
    await heavy.start()
    result = await run(crowd, plan(I1, I2, timeout_s=3.0))
    answered = {one.instance for one in result.replies if one.status is Status.ANSWERED}
    assert answered == {"i1", "i2"}, "two that hang leave them their time"
    by_name = {message.subject for message in crowd.asked if not message.subject.endswith(".all")}
    assert len(by_name - {f"diag.orders.health.{key.instance}" for key in (I1, I2)}) <= 16


LACKING = (Lacking(service="ghosts", count=1, declared=1), Lacking(service="orders", count=1500, declared=1501))


async def test_declared_replicas_that_were_never_seen_are_silent_however_it_ends() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    result = await run(crowd, plan(I1, lacking=LACKING))
    assert (result.ended, result.expected, len(result.silent), result.unnamed) == (Ended.COMPLETE, 1502, 1000, 501)
    assert [(one.service, one.instance, one.reason) for one in result.silent[:2]] == [
        ("ghosts", "", "not connected: 1 of 1 declared replicas is missing (never heard of, left, or forgotten)"),
        (
            "orders",
            "",
            "not connected: 1500 of 1501 declared replicas are missing (never heard of, left, or forgotten)",
        ),
    ]
    assert result.notes == ("501 of the declared replicas are not named among the silent; they are counted",)
    limited = await run(crowd, plan(I1, I2, lacking=LACKING[:1], limit=1))
    assert (limited.ended, [one.service for one in limited.silent]) == (Ended.LIMIT, ["ghosts"])


async def test_warming_is_said_unless_our_connection_is_gone() -> None:
    crowd = Crowd()
    await crowd.instance(*I1)
    bus = crowd.server.bus()
    assert (await Gather(bus, plan(I1, warming=True)).run()).ended is Ended.WARMING
    crowd.server.cut()
    assert (await Gather(bus, plan(I1, warming=True)).run()).ended is Ended.CONNECTION_LOST


async def test_that_nobody_is_known_is_said_only_when_it_is_known() -> None:
    notes = (await run(Crowd(), plan())).notes
    assert [note.partition(":")[0] for note in notes] == ["nobody is known"]
    assert (await run(Crowd(), plan(warming=True))).notes == ()
    assert (await run(Crowd(), plan(quiet_s=0.1))).notes == (), "there is no directory"


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_no_bytes_whatever_break_the_tally(bodies: list[bytes]) -> None:
    asked = plan(I1)
    tally = Tally(asked)
    for body in bodies:
        tally.take(0, body)
    assert tally.replies == []
    assert len(tally.unexpected) == len(bodies)


@given(
    st.lists(
        st.tuples(st.sampled_from(("orders", "payments", "x")), st.sampled_from(("i1", "i2", "i3")), st.booleans()),
        max_size=40,
    )
)
def test_every_reply_is_counted_once_or_named(said: list[tuple[str, str, bool]]) -> None:
    """Whatever arrives: counted + unexpected = arrived, and no name is counted twice or for another service."""
    asked = plan(I1, I2)
    tally = Tally(asked)
    for service, instance, good in said:
        tally.take(0, encode(reply(service, instance)) if good else b'{"instance":"i1"}')
    assert len(tally.replies) + len(tally.unexpected) == len(said)
    keys = [(one.service, one.instance) for one in tally.replies]
    assert len(set(keys)) == len(keys)
    assert {service for service, _ in keys} <= {"orders"}
    assert {Key(*key) for key in keys} - {I1, I2} == set(tally.newcomers)
