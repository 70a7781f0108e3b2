"""goroutines: which form it asks for, what it says of two looks, leaks, limits, and services without such pages."""

import asyncio
from typing import Any, Final

import pytest

from diagmesh.adapters.godump.apart import APART_BYTES
from diagmesh.contract.answers.goroutines import DumpForm, Goroutines, GoroutinesQuestion, Level
from diagmesh.contract.codec import encode
from diagmesh.contract.wire import Detail
from diagmesh.errors import NotConfigured, PageMissing, Unavailable
from diagmesh.target import Sighting
from diagmesh.testing import FakeGo, FakeTarget
from diagmesh_agents.goroutines import goroutines
from support.dumps import counts, dump, holder, locked, parked

STACKS: Final = "pprof/goroutine?debug=2"
COUNTS: Final = "pprof/goroutine?debug=1"
LEAKS: Final = "pprof/goroutineleak?debug=1"


def index(count: int, *more: str) -> bytes:
    """As net/http/pprof writes it."""
    rows = [f"<tr><td>{count}</td><td><a href='goroutine?debug=1'>goroutine</a></td></tr>"]
    rows += [f"<tr><td>0</td><td><a href='{name}?debug=1'>{name}</a></td></tr>" for name in more]
    return "\n".join(["<html><table>", *rows, "</table></html>"]).encode()


def beside(pages: dict[str, Any]) -> tuple[FakeGo, FakeTarget]:
    go = FakeGo(pages)
    return go, FakeTarget(go=go)


async def ask(target: FakeTarget, **words: Any) -> Goroutines:
    answer = await goroutines.look(GoroutinesQuestion(**words), target)
    assert isinstance(answer, Goroutines)
    return answer


async def test_every_stack_where_there_are_few() -> None:
    go, target = beside({"pprof": index(4), STACKS: dump(parked(3), holder(9))})
    answer = await ask(target)
    assert go.asked == ["pprof", STACKS]
    assert (answer.total, answer.form, answer.form_why, answer.looks) == (4, DumpForm.STACKS, "", 1)
    assert answer.states == {"chan receive": 4}
    assert answer.source == "http://the-test/pprof/goroutine?debug=2"
    assert answer.cost.read_bytes > 0


async def test_counts_where_there_are_many() -> None:
    go, target = beside({"pprof": index(90_000), COUNTS: counts(90_000)})
    answer = await ask(target)
    assert go.asked == ["pprof", COUNTS]
    assert (answer.total, answer.form, answer.waiting) == (90_000, DumpForm.COUNTS, None)
    assert "stands still" in answer.form_why
    assert answer.blind[0].what == "states"


async def test_the_form_can_be_chosen() -> None:
    go, target = beside({"pprof": index(90_000), STACKS: dump(parked(3)), COUNTS: counts(3)})
    assert (await ask(target, form=DumpForm.STACKS)).form is DumpForm.STACKS
    assert (await ask(target, form=DumpForm.COUNTS)).form is DumpForm.COUNTS
    assert go.asked == ["pprof", STACKS, "pprof", COUNTS]


async def test_what_became_more_since_the_last_look() -> None:
    _, target = beside({"pprof": index(9), STACKS: [dump(parked(3)), dump(parked(13))]})
    assert (await ask(target)).growth == ()
    answer = await ask(target)
    (grown,) = answer.growth
    assert (grown.before, grown.count, answer.looks) == (3, 13, 2)
    assert answer.watched_s is not None


async def test_another_process_begins_anew() -> None:
    _, target = beside({"pprof": index(9), STACKS: [dump(parked(3)), dump(parked(13))]})
    await ask(target)
    target._sighting = Sighting(looked_for="pid", running=True, pid=2)
    answer = await ask(target)
    assert (answer.growth, answer.looks, answer.watched_s) == ((), 1, None)


async def test_who_waits_still_for_a_lock() -> None:
    text = dump(locked(20, "bookThenCount", lock=0xC000010038), locked(21, "countThenBook", line=38))
    _, target = beside({"pprof": index(2), STACKS: text})
    await ask(target)
    await asyncio.sleep(0.01)
    answer = await ask(target)
    assert [one.still for one in answer.waited] == [1, 1]
    assert answer.cycles[0].seen_s is not None


async def test_leaks_where_go_can_tell_them_and_not_all_the_time() -> None:
    leaks = b"goroutineleak profile: total 7\n7 @ 0x1\n#\t0x1\tshop/orders.await+0x1d\t/src/shop/orders/await.go:31\n\n"
    go, target = beside({"pprof": index(3, "goroutineleak"), STACKS: dump(parked(3)), LEAKS: leaks})
    for _ in range(2):
        answer = await ask(target)
        assert answer.leaks_offered
        assert [(one.count, one.place and one.place.line) for one in answer.leaks or ()] == [(7, 31)]
    assert go.asked.count(LEAKS) == 1
    assert (await ask(target, leaks=True)).leaks
    assert go.asked.count(LEAKS) == 2


async def test_a_large_dump_is_read_apart_and_says_the_same() -> None:
    text = dump(parked(3000, minutes=3))
    assert len(text) > APART_BYTES
    _, target = beside({"pprof": index(3000), STACKS: text})
    ticks = asyncio.create_task(_ticking())
    answer = await ask(target, level=Level.EXACT, detail=Detail.FULL)
    ticks.cancel()
    (group,) = answer.groups
    assert (group.count, answer.total, len(group.members)) == (3000, 3000, 1000)
    assert group.age is not None
    assert group.age.median_s == 180


async def _ticking() -> None:
    while True:
        await asyncio.sleep(0.001)


async def test_an_answer_is_bounded() -> None:
    different = dump(*(locked(n, f"Method{n}", lock=0xC000010000 + 0x100000 * n) for n in range(2, 2000)))
    _, target = beside({"pprof": index(2000), STACKS: different})
    answer = await ask(target, limit=500)
    assert (answer.total, len(answer.groups), answer.groups_left_out) == (1998, 500, 1498)
    assert len(encode(await ask(target))) < 100_000
    assert (await ask(target, detail=Detail.BRIEF)).groups == ()


async def test_a_dump_that_was_cut_says_so() -> None:
    text = dump(parked(3))
    _, target = beside({"pprof": index(3), STACKS: text[:-40]})
    assert (await ask(target)).cut == "the dump ends in the middle of goroutine 102"


async def test_a_service_without_an_index_still_has_dumps() -> None:
    _, target = beside({"pprof": PageMissing("no index"), STACKS: dump(parked(3))})
    assert (await ask(target)).total == 3


async def test_a_service_without_such_pages_says_how_to_get_them() -> None:
    with pytest.raises(NotConfigured, match="name no place") as refusal:
        await ask(FakeTarget())
    assert "pprof =" in refusal.value.hint


async def test_what_is_no_dump_is_refused() -> None:
    _, target = beside({"pprof": index(3), STACKS: b"something else\n"})
    with pytest.raises(Unavailable, match="no goroutine is in it"):
        await ask(target)
