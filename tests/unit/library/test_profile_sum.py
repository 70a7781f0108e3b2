"""Replicas added up from what they told: the numbers of their files, or it is said by how much they may lack."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from diagmesh.adapters.pprof.decode import decode
from diagmesh.adapters.pprof.look import Wanted, look
from diagmesh.adapters.pprof.merge import merged
from diagmesh.adapters.pprof.profile import Profile as Stacks
from diagmesh.contract.answers.profile import Profile, ProfileQuestion, ProfileType
from diagmesh.contract.answers.profile_counted import Counted, Row
from diagmesh.contract.answers.profile_sum import added_up
from support.pprof import made, packed

NAMES = st.sampled_from(["main.main", "main.put", "store.Put", "runtime.mallocgc", "runtime.growslice"])
STACKS = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=4), st.integers(1, 1 << 40)), min_size=1, max_size=8)
TYPES = (("objects", "count"), ("space", "bytes"))


def stacks_of(stacks: list[tuple[list[str], int]]) -> Stacks:
    return decode(packed(made(((";".join(names), [1, value]) for names, value in stacks), types=TYPES)))


def told(stacks: Stacks, top: int = 0) -> Counted:
    return look(stacks, Wanted(type="heap", top=top, folded=True, peek="store", over_s=2.0))


@settings(deadline=None, max_examples=60)
@given(st.lists(STACKS, min_size=1, max_size=4))
def test_sums_of_whole_tables_are_those_of_the_files(replicas: list[list[tuple[list[str], int]]]) -> None:
    files = [stacks_of(one) for one in replicas]
    (summed,) = added_up([("orders", told(one)) for one in files])
    whole = told(merged(files))
    same = ("sample", "unit", "total", "events", "rows", "rows_left", "blamed", "peeked", "folded", "labels")
    assert {name: getattr(summed, name) for name in same} == {name: getattr(whole, name) for name in same}
    assert (summed.service, summed.replicas, summed.short_by, summed.over_s) == ("orders", len(files), 0, 2.0)
    assert summed.per_s == round(sum(told(one).per_s or 0.0 for one in files), 6)


@settings(deadline=None, max_examples=60)
@given(st.lists(STACKS, min_size=1, max_size=4), st.integers(1, 3))
def test_what_rows_may_lack_is_told(replicas: list[list[tuple[list[str], int]]], top: int) -> None:
    files = [stacks_of(one) for one in replicas]
    (summed,) = added_up([("orders", told(one, top)) for one in files])
    exact = {row.function: row.flat for row in told(merged(files)).rows}
    assert summed.total == told(merged(files)).total
    for row in summed.rows:
        assert 0 <= exact[row.function] - row.flat <= summed.short_by
    told_of = {row.function for row in summed.rows}
    assert all(flat <= summed.short_by for function, flat in exact.items() if function not in told_of)


def test_services_and_types_are_kept_apart_and_all_of_it_is_bounded() -> None:
    rows = tuple(Row(function=f"main.f{n}", flat=1000 - n, cum=1000 - n) for n in range(900))
    one = Counted(type="heap", sample="inuse_space", unit="bytes", total=9, rows=rows, blamed=rows, lines=rows)
    other = msgspec.structs.replace(one, type="cpu", sample="cpu", unit="nanoseconds", base="previous, 12 s ago")
    later = msgspec.structs.replace(other, base="previous, 3 s ago")
    sums = added_up([("b", one), ("b", other), ("a", one), ("b", one), ("b", later)])
    assert [(each.service, each.sample, each.replicas, each.base) for each in sums] == [
        ("a", "inuse_space", 1, ""),
        ("b", "inuse_space", 2, ""),
        ("b", "cpu", 2, "previous"),
    ]
    assert sum(len(each.rows) for each in sums) <= 200
    assert all(each.rows_left == 900 - len(each.rows) for each in sums)
    assert sums[1].rows[0].flat == 2000
    crowd = added_up([(f"s{n}", one) for n in range(200)])
    assert {len(each.rows) for each in crowd} == {5}


def test_nobody_told_is_not_the_same_as_nothing_counted() -> None:
    assert Profile.as_one([]) is None
    assert Profile.as_one([("orders/i1", Profile())]) == Profile()


def test_each_replica_is_asked_for_more_rows_than_are_told() -> None:
    asked = ProfileQuestion(type=ProfileType.HEAP)
    assert (asked.to_each().top, asked.to_each().type) == (100, ProfileType.HEAP)
    assert ProfileQuestion(top=1000).to_each().top == 1000
