"""The files of profiles: what did not come with the reply is never written as empty; replicas are added up."""

from pathlib import Path

import pytest

from diagmesh.adapters.pprof.decode import decode
from diagmesh.client import Heard
from diagmesh.contract.answers.profile import Profile, RawProfile
from diagmesh.errors import Unreadable
from diagmesh_cli.profiles import Looked, Pair, tell
from diagmesh_cli.sampling import keep_raw, stacks_of, together
from support.pprof import made
from support.replies import heard


def sent(**raw: object) -> list[Heard[Profile]]:
    file = RawProfile(**{"type": "heap", "size_bytes": 3, "sha256": "ab", **raw})  # type: ignore[arg-type]  # of the test
    return [heard(Profile(raw=(file,)), kind="profile")]


def test_a_file_that_came_is_kept(tmp_path: Path) -> None:
    assert keep_raw(tmp_path / "heap.pb.gz", sent(data=b"abc")) == [tmp_path / "heap.pb.gz"]
    assert (tmp_path / "heap.pb.gz").read_bytes() == b"abc"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"object": "diag_bundles/orders/i1/heap-1.pb.gz"}, "nats object get diag_bundles orders/i1/heap-1.pb.gz"),
        ({}, "too large for a reply"),
    ],
    ids=["elsewhere", "nowhere"],
)
def test_one_that_did_not_come_is_told_with_where_it_is(tmp_path: Path, raw: dict[str, object], words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        keep_raw(tmp_path / "heap.pb.gz", sent(**raw))
    with pytest.raises(Unreadable, match=words):
        stacks_of(sent(**raw))
    assert list(tmp_path.iterdir()) == []


def test_replicas_that_were_sampled_in_the_same_seconds_use_as_much_as_all_of_them_do() -> None:
    replicas = {}
    for name, used_ns in (("orders/i1", 2_000_000_000), ("orders/i2", 1_000_000_000)):
        raw = made([("main.main;main.work", used_ns)])
        raw.duration_nanos = 2_000_000_000
        replicas[name] = decode(raw.SerializeToString())
    (cpu,) = tell(Pair(together(replicas)), Looked(), full=False, type_="cpu").counted
    assert (cpu.total, cpu.over_s, cpu.per_s) == (3_000_000_000, 2.0, 1.5)
