"""Why somebody is silent, by the connections that the servers tell of."""

import asyncio
import json
import time

import pytest

from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryBus, MemoryServer
from diagmesh.connections import Connections, connection_key, judge
from diagmesh.contract import subjects
from diagmesh.contract.directory import InstanceState
from diagmesh.errors import NotPermitted
from diagmesh.expected import NOT_PERMITTED, Expected, Key
from diagmesh.membership import Membership
from support.crowd import Crowd, connz_reply

I1 = Key("orders", "i1")


def missing(server: str = "memory", heard_at: float = 0.0) -> Expected:
    return Expected(key=I1, server=server, heard_at=heard_at)


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (Connections(10, frozenset({I1}), frozenset({"memory"})), InstanceState.SILENT),
        (Connections(10, frozenset(), frozenset({"memory"})), InstanceState.NOT_CONNECTED),
        (Connections(10, frozenset(), frozenset({"other"})), InstanceState.UNKNOWN),
        (Connections(10, problem="no"), InstanceState.UNKNOWN),
    ],
)
def test_a_look_is_believed_only_where_the_instances_own_server_answered(
    seen: Connections, state: InstanceState
) -> None:
    assert judge(missing(), seen).state is state


def test_who_spoke_after_the_look_is_not_called_gone() -> None:
    seen = Connections(10, frozenset(), frozenset({"memory"}))
    assert judge(missing(heard_at=10.5), seen).state is InstanceState.SILENT


def test_a_server_that_nobody_knows_explains_nothing() -> None:
    assert "its server is not known" in judge(missing(server=""), Connections(10, servers=frozenset({"a"}))).detail


def test_connection_names() -> None:
    assert connection_key("diag/orders/i1") == I1
    assert [connection_key(name) for name in ("", "orders", "diag/orders", "diag//i1", "diag/a/b/c", "x/a/b")] == [
        None
    ] * 6


def test_who_is_back_with_its_server_is_not_called_hung_before_it_could_be_heard() -> None:
    back = Connections(10, frozenset({I1}), frozenset({"memory"}), reached={"memory": 9.0})
    absence = judge(missing(heard_at=2.0), back)
    assert (absence.state, absence.since) == (InstanceState.UNKNOWN, 9.0)
    assert "its server 'memory' was reached again only a moment ago, and its sidecar was not heard since" in str(
        absence
    )
    assert judge(missing(heard_at=9.5), back).state is InstanceState.SILENT, "it was heard since"
    later = Connections(12.5, frozenset({I1}), frozenset({"memory"}), reached={"memory": 9.0})
    assert judge(missing(heard_at=2.0), later).state is InstanceState.SILENT, "it had its time"
    slow = Expected(key=I1, server="memory", heard_at=2.0, interval_s=5.0)
    assert judge(slow, later).state is InstanceState.UNKNOWN, "its next heartbeat is not due yet"
    other = Connections(10, frozenset({I1}), frozenset({"memory", "two"}), reached={"two": 9.0})
    assert judge(missing(heard_at=2.0), other).state is InstanceState.SILENT


async def test_a_server_that_answers_again_is_known_as_such() -> None:
    one, two = connz_reply("diag/orders/i1"), connz_reply("diag/orders/i2", server="two")
    now: list[bytes] = [one, two]
    crowd = Crowd()
    await crowd.on(subjects.CONNZ, lambda _: list(now))
    ahead_s = 0.0
    membership = Membership(crowd.server.bus(), total_s=1.0, stall_s=0.1, clock=lambda: time.monotonic() + ahead_s)
    seen = [await membership.look(0)]
    for replies in ([one], [one, two], [one], [one], [one, two], [one, two], [two]):
        now[:] = replies
        seen.append(await membership.look(seen[-1].asked_at + 1e-6))
    assert not any(one.reached for one in seen[:5]), "who missed one look was slow"
    assert [dict(one.reached) for one in seen[5:]] == [{"two": seen[5].asked_at}] * 3
    for replies in ([one], [one], [one, two]):
        now[:] = replies
        ahead_s += 60.0 if two in replies else 0.0
        seen.append(await membership.look(seen[-1].asked_at + 1e-6))
    assert not seen[-1].reached, "nobody asked for a minute, and nobody knows when it was back"


async def answering(*replies: bytes) -> tuple[Crowd, Membership]:
    crowd = Crowd()
    await crowd.on(subjects.CONNZ, lambda _: list(replies))
    return crowd, Membership(crowd.server.bus(), total_s=1.0, stall_s=0.1)


async def test_the_connected_are_found_on_every_server() -> None:
    _, membership = await answering(connz_reply("diag/orders/i1", "app"), connz_reply("diag/orders/i2", server="two"))
    seen = await membership.look(0)
    assert seen.keys == {I1, Key("orders", "i2")}
    assert seen.servers == {"memory", "two"}
    absences = await membership.absences([missing(), Expected(key=Key("orders", "x"), server="two")], 0)
    assert {key.instance: absence.state for key, absence in absences.items()} == {
        "i1": InstanceState.SILENT,
        "x": InstanceState.NOT_CONNECTED,
    }


async def test_many_who_want_to_know_ask_once() -> None:
    crowd, membership = await answering(connz_reply())
    await asyncio.gather(*(membership.look(0) for _ in range(20)))
    assert len(crowd.asked) == 1
    await membership.look(0)
    assert len(crowd.asked) == 1, "a look is kept for those who do not need a newer one"


async def test_who_comes_at_the_moment_in_which_a_look_ends_gets_a_newer_one() -> None:
    crowd, membership = await answering(connz_reply())
    first = asyncio.create_task(membership.look(0))
    while not any(task.get_name() == "connz" for task in asyncio.all_tasks()):
        await asyncio.sleep(0)
    (connz,) = [task for task in asyncio.all_tasks() if task.get_name() == "connz"]
    while not connz.done():
        await asyncio.sleep(0)
    assert not first.done(), "nobody has been told yet that it is done"
    now = time.monotonic()
    second = await membership.look(now)
    assert second.asked_at >= now > (await first).asked_at
    assert len(crowd.asked) == 2


async def test_a_newer_look_is_taken_when_the_last_is_too_old() -> None:
    crowd, membership = await answering(connz_reply())
    first = await membership.look(0)
    second = await membership.look(first.asked_at + 0.001)
    assert second.asked_at > first.asked_at
    assert len(crowd.asked) == 2


async def test_whoever_asks_in_the_very_step_in_which_a_look_ends_gets_it() -> None:
    crowd, membership = await answering(connz_reply("diag/orders/i1"))
    known = await membership.look(0)  # now the server is known: the next look ends with its reply
    not_before = known.asked_at + 1e-6
    first = asyncio.create_task(membership.look(not_before))
    others: list[asyncio.Task[Connections]] = []
    while not first.done():  # one more asker in every step of the loop: one of them meets the end of the look
        others.append(asyncio.create_task(membership.look(not_before)))
        await asyncio.sleep(0)
    assert {one.asked_at for one in await asyncio.gather(*others)} == {first.result().asked_at}
    assert len(crowd.asked) == 2


async def test_one_asker_that_gives_up_does_not_spoil_the_look_of_another() -> None:
    _, membership = await answering(connz_reply("diag/orders/i1"))
    hasty, patient = asyncio.create_task(membership.look(0)), asyncio.create_task(membership.look(0))
    await asyncio.sleep(0.02)
    hasty.cancel()
    assert (await patient).keys == {I1}


async def test_large_accounts_are_read_page_by_page() -> None:
    names = [f"diag/orders/i{number}" for number in range(10_000)]
    crowd = Crowd()

    def page(message: Message) -> list[bytes]:
        asked = json.loads(message.data)
        offset, limit = asked["offset"], asked["limit"]
        return [connz_reply(*names[offset : offset + limit], total=len(names))]

    await crowd.on(subjects.CONNZ, page)
    seen = await Membership(crowd.server.bus(), total_s=5, stall_s=0.05).look(0)
    assert len(seen.keys) == 10_000
    assert seen.servers == {"memory"}
    assert len(crowd.asked) == 3


async def test_a_server_that_told_only_a_part_is_not_believed_about_the_rest() -> None:
    _, membership = await answering(connz_reply("diag/orders/i1", total=1_000_000))
    seen = await membership.look(0)
    assert judge(Expected(key=Key("orders", "x"), server="memory"), seen).state is InstanceState.UNKNOWN


@pytest.mark.parametrize(
    "body", [b"junk", b'{"error":{"code":400}}', b'{"server":{"name":"memory"},"data":{"total":"x"}}']
)
async def test_a_form_that_is_not_known_leaves_it_unknown(body: bytes) -> None:
    _, membership = await answering(body)
    assert "no server told its connections" in (await membership.look(0)).problem


async def test_nobody_to_ask_leaves_it_unknown_at_once() -> None:
    membership = Membership(MemoryServer().bus(), total_s=5)
    seen = await asyncio.wait_for(membership.look(0), 1)
    assert "could not be asked for" in seen.problem


async def test_silence_of_the_servers_is_bounded() -> None:
    _, membership = await answering()
    seen = await asyncio.wait_for(membership.look(0), 3)
    assert seen.problem


async def test_while_not_connected_it_is_unknown() -> None:
    crowd, membership = await answering(connz_reply())
    crowd.server.cut()
    assert "could not be asked for" in (await membership.look(0)).problem


class _Forbidding(MemoryBus):
    asked = 0

    async def publish(self, subject: str, data: bytes = b"", **more: object) -> None:
        self.asked += 1
        error = NotPermitted(f"not permitted: this role may not publish {subject}")
        asyncio.get_running_loop().call_soon(self._inboxes.subject_in_trouble, subject, error)


async def test_a_role_that_may_not_ask_is_told_so_and_does_not_insist() -> None:
    bus = _Forbidding(MemoryServer())
    membership = Membership(bus, total_s=5)
    absence = (await asyncio.wait_for(membership.absences([missing()], 0), 1))[I1]
    assert (absence.state, NOT_PERMITTED in absence.detail) == (InstanceState.UNKNOWN, True)
    await membership.look(10**9)
    assert bus.asked == 1


async def test_nobody_missing_asks_nobody() -> None:
    crowd, membership = await answering(connz_reply())
    assert await membership.absences([], 0) == {}
    assert crowd.asked == []


async def test_close_ends_a_look_under_way() -> None:
    _, membership = await answering()
    looking = asyncio.create_task(membership.look(0))
    await asyncio.sleep(0.02)
    await membership.close()
    with pytest.raises(asyncio.CancelledError):
        await looking
