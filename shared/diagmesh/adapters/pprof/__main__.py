"""Reads profiles and tells of them, one job on standard input; bounded in memory, and nicer than the service."""

import os
import resource
import sys
from pathlib import Path
from typing import Final

import msgspec

from diagmesh.adapters.pprof.apart import Job, Part, Problem, Told
from diagmesh.contract.answers.profile import Counted
from diagmesh.contract.chunks import CHUNKED_LIMIT_BYTES
from diagmesh.errors import Refusal, Unreadable

_MOST_MEMORY_BYTES: Final = 1 << 30
_NICER: Final = 10


def main() -> int:
    """Do the job; a profile that cannot be read is told, not raised."""
    os.nice(_NICER)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    told = _told(job)
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = msgspec.structs.replace(
        told, cpu_ms=round(1000 * (used.ru_utime + used.ru_stime), 1), rss_bytes=_peak_rss_bytes()
    )
    sys.stdout.buffer.write(_bounded(told))
    return 0


def _bounded(told: Told) -> bytes:
    """What goes to whoever asked: never more than a reply can carry, so that he need not hold it either."""
    words = msgspec.json.encode(told)
    if len(words) <= CHUNKED_LIMIT_BYTES:
        return words
    detail = f"rows and stacks come to {len(words) >> 20} MiB, and a reply carries {CHUNKED_LIMIT_BYTES >> 20}"
    hint = "ask with less detail, with focus, or for the file (raw)"
    return msgspec.json.encode(Told(problem=Problem(code=413, error="answer too large", detail=detail, hint=hint)))


def _peak_rss_bytes() -> int:
    """The most memory so far; ``getrusage`` would tell that of whoever started us, if it was more."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) << 10
    return 0


def _told(job: Job) -> Told:
    try:
        counted, comments = list[Counted](), list[str]()
        for part in job.parts:
            one, said = _read(part, job)
            counted.append(one)
            comments += said
        return Told(counted=tuple(counted), comments=tuple(dict.fromkeys(comments)))
    except Refusal as refusal:
        return Told(problem=Problem(code=refusal.code, error=refusal.error, detail=refusal.detail, hint=refusal.hint))
    except Unreadable as error:
        return Told(problem=Problem(code=503, error="cannot look now", detail=str(error)))
    except MemoryError:
        detail = f"reading the profile needs more than {_MOST_MEMORY_BYTES >> 20} MiB"
        return Told(problem=Problem(code=503, error="cannot look now", detail=detail, hint="ask for it raw"))


def _read(part: Part, job: Job) -> tuple[Counted, tuple[str, ...]]:
    from diagmesh.adapters.pprof.decode import decode  # noqa: PLC0415  below the limit of memory
    from diagmesh.adapters.pprof.look import Wanted, look  # noqa: PLC0415  likewise
    from diagmesh.adapters.pprof.merge import difference, merged  # noqa: PLC0415  likewise

    profile = merged([decode(Path(file).read_bytes()) for file in part.files])
    if part.base:
        profile = difference(profile, decode(Path(part.base).read_bytes()))
    wanted = Wanted(
        type=part.type,
        sample=part.sample,
        focus=job.focus,
        ignore=job.ignore,
        peek=job.peek,
        top=job.top,
        lines=job.lines,
        folded=job.folded,
        over_s=part.over_s,
        base=part.base_words,
    )
    return look(profile, wanted), profile.comments


if __name__ == "__main__":
    sys.exit(main())
