"""Reads a dump in a process of its own: the event loop of a sidecar stands still for nobody's hundred thousand stacks.

``python -m diagmesh.adapters.godump.apart`` takes the shape as its argument and the dump from standard input, and
answers with a report. Small dumps are read in a thread: a process costs more than they do.
"""

import asyncio
import contextlib
import os
import resource
import sys
from typing import Final

import msgspec

from diagmesh.adapters.godump.report import Report, Shape
from diagmesh.adapters.godump.whole import Read, read_dump
from diagmesh.contract.answers.goroutines import DumpForm
from diagmesh.errors import Failed, Unreadable

__all__ = ["APART_BYTES", "read_apart"]

APART_BYTES: Final = 256 * 1024
"""Larger dumps are read in a process; these take some ten milliseconds of a thread."""
_ANSWER_BYTES: Final = 16 << 20
_PIECE_BYTES: Final = 64 * 1024
_NICE: Final = 10
_MOST_MEMORY_BYTES: Final = 1 << 30
"""Of that process; the 16 MiB of a dump that are read here need a fifth of it."""


class _Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the process says."""

    form: DumpForm = DumpForm.STACKS
    report: Report | None = None
    foreign_lines: int = 0
    trouble: tuple[str, str, str] = ("", "", "")


async def read_apart(dump: bytes, shape: Shape) -> Read:
    """What a dump says, read without holding up the event loop; cancelling ends the reading.

    Raises:
        Unreadable: there is no goroutine in it.
        Failed: the process that read it came to no end.
    """
    if len(dump) < APART_BYTES:
        return await asyncio.to_thread(read_dump, [dump], shape)
    program = [sys.executable, "-P", "-m", __name__, msgspec.json.encode(shape).decode()]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *program, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, limit=_ANSWER_BYTES
    )
    try:
        said, _ = await child.communicate(dump)
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    if child.returncode or len(said) > _ANSWER_BYTES:
        raise Failed(f"the process that reads dumps ended with {child.returncode}", hint="see the log of the sidecar")
    told = msgspec.msgpack.decode(said, type=_Told)
    if told.report is None:
        raise Unreadable(*told.trouble)
    return Read(told.form, told.report, told.foreign_lines)


def main() -> None:
    """Read standard input, answer on standard output; less urgent than the sidecar and the service."""
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    shape = msgspec.json.decode(sys.argv[1], type=Shape)
    source = iter(lambda: sys.stdin.buffer.read(_PIECE_BYTES), b"")
    try:
        read = read_dump(source, shape)
        told = _Told(read.form, read.report, read.foreign_lines)
    except Unreadable as error:
        told = _Told(trouble=(error.what, error.why, error.fix))
    except MemoryError:
        why = f"reading it needs more than {_MOST_MEMORY_BYTES >> 20} MiB"
        told = _Told(trouble=("goroutine dump", why, 'ask with {"form": "counts"}'))
    sys.stdout.buffer.write(msgspec.msgpack.encode(told))


if __name__ == "__main__":
    main()
