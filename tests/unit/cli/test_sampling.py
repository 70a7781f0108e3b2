"""The files of profiles: a file that did not come with the reply is never written as an empty one."""

from pathlib import Path

import pytest

from diagmesh.client import Heard
from diagmesh.contract.answers.profile import Profile, RawProfile
from diagmesh.errors import Unreadable
from diagmesh_cli.sampling import keep_raw, stacks_of
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
