"""Profiles in the format of pprof, packed or not: read, pruned, added up and taken from each other, or refused."""

import io
from typing import Final

from msgspec import Raw
from msgspec.json import decode as json_decode
from rich.console import Console

from diagmesh.adapters.pprof.cut import focused, pruned
from diagmesh.adapters.pprof.decode import decode
from diagmesh.adapters.pprof.merge import difference, merged
from diagmesh.adapters.pprof.top import By, folded, labelled, table, total
from diagmesh.aggregate import add_up
from diagmesh.client import MeshResult
from diagmesh.contract.answers.profile import Profile
from diagmesh.contract.codec import encode
from diagmesh.contract.mesh import Ended, MeshAnswer
from diagmesh.contract.wire import Reply, Status
from diagmesh.errors import Declined, Unreadable
from diagmesh.expected import Gathered
from diagmesh_cli.views.replies import sum_of
from fuzz.target import Target, text_of
from support.pprof import made, packed
from support.profiles import surveyed

__all__ = ["TARGETS"]

_MOST_BYTES: Final = 1 << 20
_ANSWER: Final = encode(surveyed())
_PLAIN: Final = made([("main.main;main.f:1>main.g:2", 3), ("main.main", 4)], labels={"tenant": "acme"})
_PRUNED: Final = made(
    [("main.main;main.f;main.malloc", [3, 4])], types=[("a", "count"), ("b", "x")], drop="main.malloc"
)


def _read(data: bytes) -> None:
    try:
        raw = decode(data, _MOST_BYTES)
        profile = pruned(raw)
    except Unreadable as error:
        assert str(error).startswith("profile: ")
        return
    for index in range(len(profile.types)):
        for by in By:
            seen = table(profile, index, by)
            stacked = sum(value for one, value in profile.values(index) if one.stack)
            assert sum(row.flat for row in seen.rows) == stacked
        assert sum(folded(profile, index).values()) == sum(value for _, value in profile.values(index))
        labelled(profile, index)
        assert not table(difference(raw, raw), index).rows
        assert total(merged([raw, raw]), index) <= 2 * total(raw, index)


def _asked(data: bytes) -> None:
    focus, _, ignore = text_of(data).partition("\n")
    if any(repeated in focus + ignore for repeated in "*+{?"):
        return  # what takes long is ended from outside: it is computed in a process of its own
    try:
        focused(decode(packed(_PLAIN)), focus, ignore)
    except Declined as refusal:
        assert "focus" in str(refusal) or "ignore" in str(refusal)


def _answers(data: bytes) -> None:
    """What instances say, and what a coordinator says of them all."""
    replies = [
        Reply(v=1, service="orders", instance=name, kind="profile", status=Status.ANSWERED, answer=Raw(answer))
        for name, answer in (("i1", data), ("i2", _ANSWER), ("i3", data))
    ]
    gathered = Gathered(
        kind="profile",
        replies=replies,
        silent=(),
        unexpected=(),
        expected=3,
        newcomers=(),
        not_waited_for=0,
        ended=Ended.COMPLETE,
        took_s=0.1,
        notes=(),
    )
    total = add_up(gathered, Profile)
    assert isinstance(total.merged, Raw)
    counted = json_decode(total.merged, type=Profile).counted
    assert "cpu" in {one.type for one in counted}
    assert all(len(one.rows) <= 200 for one in counted)
    for told_as_one in (total.merged, Raw(data)):
        told = MeshAnswer(of="profile", expected=3, answered=3, merged=told_as_one)
        Console(file=io.StringIO(), width=80).print(sum_of(MeshResult(answer=told, each=(), reply=None), 80))


TARGETS: Final = (
    Target(
        "profile-answers",
        _answers,
        ("diagmesh.contract.answers.profile_sum", "diagmesh_cli.views.profile"),
        (_ANSWER, b'{"counted":[{"sample":"cpu","unit":"nanoseconds","total":-1,"rows":[{"flat":-1,"cum":3}]}]}'),
    ),
    Target(
        "profile",
        _read,
        (
            "diagmesh.adapters.pprof.decode",
            "diagmesh.adapters.pprof.gunzip",
            "diagmesh.adapters.pprof.wire",
            "diagmesh.adapters.pprof.cut",
            "diagmesh.adapters.pprof.merge",
            "diagmesh.adapters.pprof.top",
        ),
        (
            packed(_PLAIN),
            _PLAIN.SerializeToString(),
            _PRUNED.SerializeToString(),
            b"heap profile: 1: 2 [3: 4] @ heap/1048576\n",
            packed(_PLAIN)[:-9],
        ),
    ),
    Target("profile-focus", _asked, ("diagmesh.adapters.pprof.cut",), (rb"main\.f", b"main\nruntime", b"(", b"[")),
)
