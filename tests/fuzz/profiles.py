"""Profiles in the format of pprof, packed or not: read, pruned, added up and taken from each other, or refused."""

from typing import Final

from diagmesh.adapters.pprof.cut import focused, pruned
from diagmesh.adapters.pprof.decode import decode
from diagmesh.adapters.pprof.merge import difference, merged
from diagmesh.adapters.pprof.top import By, folded, labelled, table, total
from diagmesh.errors import Declined, Unreadable
from fuzz.target import Target, text_of
from support.pprof import made, packed

__all__ = ["TARGETS"]

_MOST_BYTES: Final = 1 << 20
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


TARGETS: Final = (
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
