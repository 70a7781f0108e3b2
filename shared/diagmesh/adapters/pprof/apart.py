"""Profiles are read in a process of its own: it may take memory and time, and be ended, without anybody noticing.

This half of it stays with the asker and imports nothing of protobuf; the other half is ``python -m
diagmesh.adapters.pprof``.
"""

import asyncio
import contextlib
import sys
from typing import Final

import msgspec

from diagmesh.contract.answers.profile import Counted
from diagmesh.errors import Declined, Failed, Refusal, Unavailable

__all__ = ["Job", "Part", "Problem", "Told", "read_apart"]

_WORDS: Final = 300


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One profile to read.

    Args:
        type: which one it is.
        files: it, or those of several replicas that are added up.
        base: the file that it is compared with; empty for none.
        base_words: what that is, in words.
        sample: which of its numbers; empty for the default.
        over_s: the time within which it was counted; None to take it from the file.
    """

    type: str
    files: tuple[str, ...]
    base: str = ""
    base_words: str = ""
    sample: str = ""
    over_s: float | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to read, and what to tell of each (see `diagmesh.adapters.pprof.look.Wanted`)."""

    parts: tuple[Part, ...]
    focus: str = ""
    ignore: str = ""
    peek: str = ""
    top: int = 10
    lines: bool = False
    folded: bool = False


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why it could not be read."""

    code: int
    error: str
    detail: str
    hint: str = ""


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of it.

    Args:
        counted: one per part.
        comments: what the profiles say of themselves.
        problem: why there is nothing else.
        cpu_ms: CPU time that the reading took.
        rss_bytes: the most memory that it needed.
    """

    counted: tuple[Counted, ...] = ()
    comments: tuple[str, ...] = ()
    problem: Problem | None = None
    cpu_ms: float = 0.0
    rss_bytes: int = 0


async def read_apart(job: Job) -> Told:
    """Read profiles in another process; whoever stops waiting for it ends it.

    Args:
        job: files and what to tell of them.

    Raises:
        Declined: an expression or a sample type of the question is wrong.
        Unavailable: a file cannot be read as a profile.
        Failed: that process died.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "diagmesh.adapters.pprof"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, words = await process.communicate(msgspec.json.encode(job))
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        last = words.decode("utf-8", "replace").strip().rpartition("\n")[2][:_WORDS]
        raise Failed(f"the reader of profiles ended with {process.returncode}: {last or 'it said nothing'}")
    told = msgspec.json.decode(out, type=Told)
    if told.problem is not None:
        raise _refusal(told.problem)
    return told


def _refusal(problem: Problem) -> Refusal:
    kind = Declined if problem.code < 500 else Unavailable
    return kind(problem.detail, code=problem.code, error=problem.error, hint=problem.hint)
