"""Profiles of running instances for commands: asked for with progress, added up, set against each other."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from diagmesh.adapters.pprof.decode import decode
from diagmesh.adapters.pprof.merge import merged
from diagmesh.adapters.pprof.profile import Profile as Stacks
from diagmesh.adapters.pprof.top import total
from diagmesh.client import Heard
from diagmesh.contract.answers.profile import (
    MOST_SECONDS,
    Base,
    Keep,
    Profile,
    ProfileQuestion,
    ProfileType,
    RawProfile,
)
from diagmesh.contract.wire import Detail, Reply
from diagmesh.errors import Unreadable
from diagmesh_cli import files
from diagmesh_cli.output import Output
from diagmesh_cli.profiles import Looked, Pair
from diagmesh_cli.trouble import UsageError

__all__ = [
    "Sampled",
    "against_siblings",
    "counting_down",
    "keep_raw",
    "question_of",
    "seconds_of",
    "stacks_of",
    "together",
    "without_files",
]

_SECONDS: Final = re.compile(r"([1-9][0-9]?)s?")


class Sampled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of it.

    Args:
        replies: each instance's own reply, without its file.
        merged: all replicas added up; missing where a single one was asked.
        unlike: which instance the difference is of.
        difference: that instance against its siblings.
    """

    replies: tuple[Reply, ...]
    merged: Profile | None = None
    unlike: str = ""
    difference: Profile | None = None


def seconds_of(text: str, option: str) -> int:
    """The seconds of ``5`` or ``5s``.

    Raises:
        UsageError: it is written otherwise, or too long.
    """
    found = _SECONDS.fullmatch(text)
    if found is None or int(found[1]) > MOST_SECONDS:
        raise UsageError(f"{option} {text!r}: write whole seconds, 1s to {MOST_SECONDS}s")
    return int(found[1])


def question_of(
    type_: ProfileType, seconds: int | None, looked: Looked, base: Base, keep: Keep, *, raw: bool
) -> ProfileQuestion:
    """The question that every instance is asked; its token is good for stopping what it asks for."""
    return ProfileQuestion(
        type=type_,
        seconds=seconds,
        sample=looked.sample,
        focus=looked.focus,
        ignore=looked.ignore,
        peek=looked.peek,
        lines=looked.lines,
        top=looked.top,
        base=base,
        keep=keep,
        raw=raw,
        token=secrets.token_hex(16),
        detail=Detail.NORMAL,
    )


@asynccontextmanager
async def counting_down(output: Output, what: str, seconds: int) -> AsyncIterator[None]:
    """Say how much of the sampling is done, on a terminal."""
    async with output.waiting(what) as say:

        async def count() -> None:
            for done in range(seconds):
                say(f"{done} of {seconds} s")
                await asyncio.sleep(1)
            say("reading")

        counter = asyncio.create_task(count())
        try:
            yield
        finally:
            counter.cancel()
            with suppress(asyncio.CancelledError):
                await counter


def stacks_of(heard: list[Heard[Profile]]) -> dict[str, Stacks]:
    """The profile that each instance sent, by its name.

    Raises:
        Unreadable: one of them cannot be read.
    """
    found = {}
    for one in heard:
        for raw in one.answer.raw:
            if not raw.data:
                raise _elsewhere(one.where, raw)
            found[one.where] = decode(raw.data)
    return found


def _elsewhere(where: str, raw: RawProfile) -> Unreadable:
    """Where a file is that did not come with the reply."""
    if raw.object:
        bucket, _, name = raw.object.partition("/")
        fix = f"nats object get {bucket} {name}, as a user who may read it"
        return Unreadable(where, f"its file is in the object store {bucket}", fix)
    return Unreadable(where, "its file is too large for a reply", "look at that instance alone")


def together(stacks: Mapping[str, Stacks]) -> Stacks:
    """All replicas added up; they were sampled in the same seconds, so that what they used per second adds up, too."""
    longest_ns = max(one.duration_ns for one in stacks.values())
    return replace(merged(list(stacks.values())), duration_ns=longest_ns)


def against_siblings(stacks: Mapping[str, Stacks], whom: str, looked: Looked) -> tuple[str, Pair]:
    """One instance against the mean of the others.

    Args:
        stacks: of all replicas.
        whom: which one; empty for the one that has most more than the others.
        looked: by which numbers that is decided.

    Raises:
        UsageError: it has no siblings.
    """
    if len(stacks) < 2:
        raise UsageError("--diff-sibling needs two instances that answer, or more")
    totals = {name: total(one, one.index_of(looked.sample)) for name, one in stacks.items()}
    name = whom or max(totals, key=lambda one: (totals[one], one))
    if name not in stacks:
        raise UsageError(f"{name} sent no profile to compare")
    others = [one for other, one in stacks.items() if other != name]
    names = ", ".join(other.partition("/")[2] for other in stacks if other != name)
    mean = f"the mean of {names}" if len(others) > 1 else next(other for other in stacks if other != name)
    return name, Pair(stacks[name], _scaled(merged(others), len(others)), mean)


def _scaled(stacks: Stacks, parts: int) -> Stacks:
    """Every number divided."""
    samples = tuple(one._replace(values=tuple(round(value / parts) for value in one.values)) for one in stacks.samples)
    return replace(stacks, samples=samples, duration_ns=stacks.duration_ns // parts)


def keep_raw(file: Path, heard: list[Heard[Profile]]) -> list[Path]:
    """Write the files as they came: into ``file``, or beside it with the names of the instances.

    Raises:
        UsageError: one of them cannot be written.
        Unreadable: one of them did not come.
    """
    written = []
    for one in heard:
        for raw in one.answer.raw:
            if not raw.data:
                raise _elsewhere(one.where, raw)
            name, dot, rest = file.name.partition(".")
            own = file if len(heard) == 1 else file.with_name(f"{name}-{one.reply.instance}{dot}{rest}")
            files.replace(own, raw.data, "--raw")
            written.append(own)
    return written


def without_files(reply: Reply) -> Reply:
    """The reply without what was asked for only to be added up here."""
    if not isinstance(reply.answer, msgspec.Raw):
        return reply
    tree: Any = msgspec.json.decode(reply.answer)
    tree.pop("raw", None)
    return replace(reply, answer=msgspec.Raw(msgspec.json.encode(tree)))
