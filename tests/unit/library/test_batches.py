"""A careful fan-out: who is asked together, how long each batch has, and who was not asked when it ended early."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.contract.directory import InstanceState
from diagmesh.contract.mesh import Ended
from diagmesh.errors import Declined
from diagmesh.expected import Absence, Expected, Gathered, Key
from diagmesh.gather import Ask, BatchGather, Gather, Plan, batches_of, gathering, share_s
from support.crowd import Crowd

HUNG = Absence(InstanceState.SILENT, "hung")


def keys(**services: int) -> list[Key]:
    return [Key(name, f"i{number}") for name, count in services.items() for number in range(1, count + 1)]


def names(batches: Collection[Collection[Key]]) -> list[list[str]]:
    return [["/".join(key) for key in batch] for batch in batches]


def test_services_are_spread_over_the_batches() -> None:
    assert names(batches_of(keys(orders=4, payments=2, stock=1), 3)) == [
        ["orders/i1", "payments/i1", "orders/i2"],
        ["stock/i1", "orders/i3", "payments/i2"],
        ["orders/i4"],
    ]


def test_never_more_than_half_of_a_service() -> None:
    assert names(batches_of(keys(orders=3), 10)) == [["orders/i1"], ["orders/i2"], ["orders/i3"]]
    assert names(batches_of(keys(orders=4), 10)) == [["orders/i1", "orders/i2"], ["orders/i3", "orders/i4"]]
    assert names(batches_of(keys(orders=1, payments=1), 10)) == [["orders/i1", "payments/i1"]]


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 30), max_size=6), st.integers(1, 40), st.randoms())
def test_everybody_is_in_one_batch_and_no_batch_is_too_large(
    services: dict[str, int], size: int, random: Random
) -> None:
    chosen = keys(**services)
    batches = batches_of(chosen, size)
    assert sorted(key for batch in batches for key in batch) == sorted(chosen)
    for batch in batches:
        assert 1 <= len(batch) <= size
        for service, count in services.items():
            assert sum(key.service == service for key in batch) <= max(1, count // 2)
    random.shuffle(chosen)
    assert batches_of(chosen, size) == batches, "always the same, however they are listed"


def test_a_share_of_the_time_or_a_refusal_that_says_how_much_is_needed() -> None:
    assert share_s(0, 0, 2.0) == 2.0
    assert share_s(4, 0.2, 2.2) == pytest.approx(0.4)
    with pytest.raises(Declined) as caught:
        share_s(8, 0.2, 2.0)
    assert caught.value.code == 400
    assert caught.value.detail == "batch: 8 batches with 200 ms between them do not fit into 2 s"
    assert caught.value.hint == "give 4200 at least as timeout_ms (--timeout 4.2), or larger batches"
    with pytest.raises(Declined) as caught:
        share_s(200, 1, 2.0)
    assert "a coordinator takes 60 s at most" in caught.value.hint


@given(st.integers(1, 500), st.floats(0, 60), st.floats(0.01, 600))
def test_what_a_refusal_asks_for_is_enough(batches: int, pause_s: float, timeout_s: float) -> None:
    try:
        assert share_s(batches, pause_s, timeout_s) * batches + pause_s * (batches - 1) == pytest.approx(timeout_s)
    except Declined as refusal:
        needed_s = int(refusal.hint.split()[1]) / 1000
        assert needed_s > timeout_s
        coordinators_s = needed_s - min(0.25, 0.1 * needed_s)  # what it gathers for of a budget
        assert share_s(batches, pause_s, coordinators_s) >= 0.3


def plan(*chosen: Key, size: int = 1, lost: tuple[Key, ...] = (), **more: object) -> Plan:
    expected = tuple(Expected(key=key, live=key not in lost) for key in chosen)
    asks = tuple(Ask(service=key.service, instance=key.instance) for key in chosen)
    fields = {"timeout_s": 20.0, "batches": batches_of(chosen, size), **more}
    return Plan(kind="health", asks=asks, expected=expected, **fields)  # type: ignore[arg-type]


async def crowd_of(chosen: Collection[Key]) -> Crowd:
    crowd = Crowd()
    for key in chosen:
        await crowd.instance(*key)
    return crowd


async def hung(missing: Collection[Expected], _: float) -> Mapping[Key, Absence]:
    return {one.key: HUNG for one in missing}


def heard(result: Gathered) -> list[str]:
    return [f"{one.service}/{one.instance}" for one in result.replies]


def sums_up(result: Gathered) -> bool:
    return result.expected == (
        len(result.replies) + len(result.silent) + result.unnamed + len(result.not_asked) + result.not_waited_for
    )


async def test_one_after_the_other_and_only_by_name() -> None:
    chosen = keys(orders=2, payments=1)
    crowd, steps = await crowd_of(chosen), list[tuple[int, int]]()
    gather = BatchGather(crowd.server.bus(), plan(*chosen), progress=lambda asked, of: steps.append((asked, of)))
    result = await gather.run()
    assert heard(result) == ["orders/i1", "payments/i1", "orders/i2"]
    assert [message.subject for message in crowd.asked] == [
        "diag.orders.health.i1",
        "diag.payments.health.i1",
        "diag.orders.health.i2",
    ]
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert (result.ended, result.silent, result.not_asked, result.expected) == (Ended.COMPLETE, (), (), 3)
    assert len(result.arrived_s) == 3
    assert list(result.arrived_s) == sorted(result.arrived_s)


async def test_between_two_batches_is_a_pause_and_none_after_the_last() -> None:
    chosen = keys(orders=3)
    crowd, at = await crowd_of(chosen), list[float]()
    gather = BatchGather(
        crowd.server.bus(), plan(*chosen, pause_s=0.15), progress=lambda *_: at.append(time.monotonic())
    )
    await gather.run()
    assert len(at) == 3
    assert min(later - sooner for sooner, later in pairwise(at)) >= 0.15


async def test_a_frozen_one_costs_its_share_and_everybody_is_asked() -> None:
    chosen = keys(orders=3, payments=2)
    crowd = await crowd_of([key for key in chosen if key != Key("orders", "i1")])
    await crowd.on("diag.orders.*.i1", lambda _: [])
    result = await BatchGather(crowd.server.bus(), plan(*chosen, timeout_s=4.0), hung).run()
    assert result.ended is Ended.TIMEOUT
    assert [(one.instance, one.reason) for one in result.silent] == [("i1", "connected but silent: hung")]
    assert len(result.replies) == 4
    assert result.not_asked == ()
    assert sums_up(result)


async def test_a_killed_one_holds_up_nobody() -> None:
    chosen = keys(orders=3)
    crowd = await crowd_of(chosen[1:])
    began = time.monotonic()
    result = await BatchGather(crowd.server.bus(), plan(*chosen, timeout_s=60.0), hung).run()
    assert time.monotonic() - began < 15
    assert (len(result.replies), [one.instance for one in result.silent]) == (2, ["i1"])
    assert result.ended is Ended.COMPLETE


class Jumping:
    """A clock that jumps when it is told to: as if the machine had slept."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


async def test_when_the_time_is_over_in_the_middle_the_rest_is_named_and_not_silent() -> None:
    chosen = keys(orders=4)
    crowd, clock = await crowd_of(chosen), Jumping()

    def after_the_second(asked: int, _: int) -> None:
        clock.ahead_s = 100.0 if asked == 2 else 0.0

    result = await BatchGather(crowd.server.bus(), plan(*chosen), None, clock, after_the_second).run()
    assert result.ended is Ended.TIMEOUT
    assert heard(result) == ["orders/i1", "orders/i2"]
    assert [(one.instance, one.reason) for one in result.not_asked] == [
        ("i3", "the time was over before its turn"),
        ("i4", "the time was over before its turn"),
    ]
    assert result.silent == ()
    assert sums_up(result)
    assert len(crowd.asked) == 2


async def stopped(chosen: list[Key], stop_at: int, *, mute: bool = False, **more: object) -> Gathered:
    crowd = await crowd_of([] if mute else chosen)
    if mute:
        for key in chosen:
            await crowd.on(f"diag.{key.service}.*.{key.instance}", lambda _: [])
    gather: BatchGather

    def progress(asked: int, _: int) -> None:
        if asked == stop_at:
            asyncio.get_running_loop().call_later(0.05, gather.stop)

    gather = BatchGather(crowd.server.bus(), plan(*chosen, **more), hung, progress=progress)  # type: ignore[arg-type]
    return await asyncio.wait_for(gather.run(), 15)


async def test_interrupted_in_a_pause_it_asks_nobody_else() -> None:
    result = await stopped(keys(orders=3), 1, pause_s=60.0, timeout_s=600.0)
    assert (result.ended, heard(result)) == (Ended.INTERRUPTED, ["orders/i1"])
    assert [(one.instance, one.reason) for one in result.not_asked] == [
        ("i2", "it was interrupted before"),
        ("i3", "it was interrupted before"),
    ]
    assert sums_up(result)


async def test_interrupted_while_waiting_nobody_is_called_silent() -> None:
    result = await stopped(keys(orders=3), 1, mute=True, timeout_s=600.0)
    assert (result.ended, result.silent, result.not_waited_for) == (Ended.INTERRUPTED, (), 1)
    assert len(result.not_asked) == 2
    assert any("because it was interrupted" in note for note in result.notes)
    assert sums_up(result)


async def test_a_limit_ends_it_and_the_rest_is_not_asked() -> None:
    chosen = keys(orders=6)
    crowd = await crowd_of(chosen)
    result = await BatchGather(crowd.server.bus(), plan(*chosen, size=2, limit=3)).run()
    assert (result.ended, len(result.replies), len(crowd.asked)) == (Ended.LIMIT, 3, 4)
    assert {one.reason for one in result.not_asked} == {"the limit was reached before"}
    assert sums_up(result)


@pytest.mark.parametrize(("size", "limit"), [(1, 1), (2, 2), (2, 4)])
async def test_a_limit_that_is_reached_with_the_end_of_a_batch_ends_it_too(size: int, limit: int) -> None:
    chosen = keys(orders=6)
    crowd = await crowd_of(chosen)
    result = await BatchGather(crowd.server.bus(), plan(*chosen, size=size, limit=limit)).run()
    assert (result.ended, len(result.replies), len(crowd.asked)) == (Ended.LIMIT, limit, limit)
    assert {one.reason for one in result.not_asked} == {"the limit was reached before"}
    assert sums_up(result)


async def test_a_limit_as_large_as_the_crowd_leaves_nobody_out() -> None:
    chosen = keys(orders=4)
    crowd = await crowd_of(chosen)
    result = await BatchGather(crowd.server.bus(), plan(*chosen, size=2, limit=4)).run()
    assert (result.ended, len(result.replies), result.not_asked) == (Ended.COMPLETE, 4, ())


async def test_a_plan_without_batches_asks_all_at_once() -> None:
    bus = Crowd().server.bus()
    kinds: list[Callable[..., object]] = [Gather, BatchGather]
    assert [type(gathering(bus, plan(*keys(orders=2), **more))) for more in ({"batches": ()}, {})] == kinds  # type: ignore[arg-type]
