"""profile: where the program spends CPU and memory, who holds its locks, and what of that changed."""

import asyncio
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from diagmesh.adapters.pprof.apart import Job, Part, Told, read_apart
from diagmesh.contract.answers.profile import (
    MOST_FILE_BYTES,
    Base,
    Keep,
    Profile,
    ProfileCost,
    ProfileQuestion,
    ProfileType,
)
from diagmesh.contract.wire import Blind, Detail
from diagmesh.declare import agent
from diagmesh.errors import Declined, NoPage, PageTooLarge, Unavailable
from diagmesh.gopages import Fetched, pprof
from diagmesh.target import Target
from diagmesh.workers import current_budget_s
from diagmesh_agents._identity import process_of
from diagmesh_agents._profile_again import remember, told_before
from diagmesh_agents._profile_files import kept_files_of, raw_of
from diagmesh_agents._profile_stop import stop, stoppable
from diagmesh_agents._profile_told import answer_of, blind_locks, cost_words
from diagmesh_agents._profiles import MOST_KEPT_BYTES, Take, kept_of, nothing_kept, takes_of

__all__ = ["profile"]

BUDGET_S: Final = 45.0
_REST_S: Final = 0.9
"""Beside the sampling: to fetch, and to read in a process of its own."""
_MOST_READ_BYTES: Final = 16 << 20
"""Of a file, packed, that is to be read here; it may have four times as much when unpacked."""
_BRIEF: Final = 3
_FULL: Final = 1000
_SHARE: Final = 0.8
"""Of what an asker waits, where a coordinator asks for him: the rest is for the way, and for adding up."""
_PERIOD: Final = "sampling period="


@agent(budget=BUDGET_S, concurrency=3)  # one at work, one that waits for its turn, and whoever stops one
async def profile(question: ProfileQuestion, target: Target) -> Profile:
    """Where does it spend CPU and memory, and who holds its locks?"""
    if question.stop:
        return stop(target, question.stop)
    if question.file:
        return await kept_files_of(target).piece(question)
    if (again := told_before(question, target)) is not None:
        return again
    async with stoppable(target, question.token):
        return await _looked(question, target)


async def _looked(question: ProfileQuestion, target: Target) -> Profile:
    takes = takes_of(question)
    _check_patterns(question)
    longest_s = max(take.seconds for take in takes)
    _check_time(longest_s)
    with tempfile.TemporaryDirectory(prefix="diagmesh-profile-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        async with target.go.alone(_words(takes), for_s=longest_s):
            process = process_of(target)
            files, fetched = await _fetched(takes, target, folder, raw=question.raw)
            counts_locks = await _counts_locks(takes, target)
        parts, blind = await asyncio.to_thread(_parts, question, takes, files, target, process)
        told, unread = await _read(question, parts)
        raw, rest = await asyncio.to_thread(raw_of, takes, files, chunks=question.chunks) if question.raw else ((), ())
        if question.raw:
            kept_files_of(target).keep(rest)
    cost = ProfileCost(
        words=cost_words(takes),
        sampled_s=sum(take.seconds for take in takes if take.type is ProfileType.CPU),
        fetched_bytes=sum(one.size_bytes for one in fetched),
        took_ms=max(one.took_ms for one in fetched),
        read_cpu_ms=told.cpu_ms,
        read_rss_bytes=told.rss_bytes,
    )
    every_blind = (*blind, *unread, *blind_locks(counts_locks))
    answer = answer_of(told, cost, raw, every_blind, counts_locks=counts_locks)
    await remember(question, target, answer)
    return answer


async def _read(question: ProfileQuestion, parts: tuple[Part, ...]) -> tuple[Told, tuple[Blind, ...]]:
    """What they tell; who asked for the files gets them even where they cannot be read here."""
    try:
        return await read_apart(_job(question, parts)), ()
    except Unavailable as why:
        if not question.raw:
            raise
        return Told(), (Blind(what="what is counted", why=why.detail, fix="look at the file: go tool pprof FILE"),)


def _check_patterns(question: ProfileQuestion) -> None:
    """Before the service is asked for anything."""
    from diagmesh.adapters.pprof.cut import pattern  # noqa: PLC0415  most questions have none

    for name in ("focus", "ignore", "peek"):
        pattern(getattr(question, name), name)


def _check_time(longest_s: int) -> None:
    budget_s = current_budget_s.get() or BUDGET_S
    if longest_s + _REST_S > budget_s:
        need_ms = math.ceil((longest_s + _REST_S) / _SHARE * 10) * 100
        raise Declined(
            f"{longest_s} s of sampling do not fit into the {budget_s:.3g} s of this question",
            hint=f"ask with timeout_ms of {need_ms} or more (--timeout {need_ms / 1000:g}), or for fewer seconds",
        )


def _words(takes: Sequence[Take]) -> str:
    longest = max(takes, key=lambda take: take.seconds)
    return f"a {longest.type.value} profile of {longest.seconds} s" if longest.seconds else f"a {longest.type} profile"


async def _fetched(
    takes: Sequence[Take], target: Target, folder: Path, *, raw: bool
) -> tuple[list[Path], list[Fetched]]:
    """All of them in the same time, each in a file of its own."""
    most = MOST_FILE_BYTES if raw and len(takes) == 1 else _MOST_READ_BYTES
    files = [folder / f"{take.type.value}.pb.gz" for take in takes]

    async def one(take: Take, file: Path) -> Fetched:
        patience_s = take.seconds + 5.0
        return await target.go.fetch(
            take.page, query=take.query, limit_bytes=most, timeout_s=patience_s, whole=True, into=file
        )

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(take, file)) for take, file in zip(takes, files, strict=True)]
    except ExceptionGroup as several:
        first = several.exceptions[0]
        raise (_too_large(first, most) if isinstance(first, PageTooLarge) else first) from None
    return files, [task.result() for task in tasks]


def _too_large(error: PageTooLarge, most: int) -> PageTooLarge:
    """With what an asker can do about it."""
    if most < MOST_FILE_BYTES:
        hint = f'ask for one type with "raw": true: files of up to {MOST_FILE_BYTES >> 20} MiB are handed over'
    else:
        hint = "no larger one is taken: ask for fewer seconds, or fetch it where the service is (curl)"
    return PageTooLarge(error.detail, hint=hint)


async def _counts_locks(takes: Sequence[Take], target: Target) -> bool | None:
    """Whether the service counts who waits for locks at all; None when nobody wants to know."""
    if not any(take.type is ProfileType.MUTEX for take in takes):
        return None
    try:
        head = await target.go.fetch(pprof("mutex"), query={"debug": 1}, limit_bytes=512)
    except NoPage:
        return None
    lines = head.body.decode("utf-8", "replace").splitlines()
    return not any(line.strip() == f"{_PERIOD}0" for line in lines)


def _parts(
    question: ProfileQuestion, takes: Sequence[Take], files: Sequence[Path], target: Target, process: object
) -> tuple[tuple[Part, ...], tuple[Blind, ...]]:
    """What to read, with what it is compared with; this look is kept for the next one."""
    shelf, parts, blind = kept_of(target), list[Part](), list[Blind]()
    for take, file in zip(takes, files, strict=True):
        # What is too large to be kept is not even read here: the process that reads it has the memory for it.
        small = file.stat().st_size <= MOST_KEPT_BYTES
        base = words = ""
        kept = shelf.get(take.type, question.base)
        if kept is not None:
            other = "" if kept.process == process else ", of another process"
            base, words = f"{file}.base", f"{question.base.value}, {kept.age_words()}{other}"
            Path(base).write_bytes(kept.data)
        parts.append(
            Part(
                type=take.type.value,
                files=(str(file),),
                base=base,
                base_words=words,
                sample=take.sample,
                over_s=take.over_s,
            )
        )
        if take.seconds and take.type is not ProfileType.CPU:
            continue  # a difference is nothing to compare with
        wanted = [Base.PREVIOUS, *([Base.BASELINE] if question.keep is Keep.BASELINE else [])]
        for each in wanted:
            shelf.put(take.type, each, file.read_bytes() if small else None, process)
        if not small:
            why = f"it has {file.stat().st_size:,} bytes, and at most a MiB is kept"
            blind.append(Blind(what=f"{take.type.value}: later comparisons", why=why))
        if question.base is not Base.NONE and kept is None:
            raise nothing_kept(take.type, question.base)
    return tuple(parts), tuple(blind)


def _job(question: ProfileQuestion, parts: tuple[Part, ...]) -> Job:
    full = question.detail is Detail.FULL
    return Job(
        parts=parts,
        focus=question.focus,
        ignore=question.ignore,
        peek=question.peek,
        top=_FULL if full else min(question.top, _BRIEF) if question.detail is Detail.BRIEF else question.top,
        lines=full or question.lines,
        folded=full,
    )
