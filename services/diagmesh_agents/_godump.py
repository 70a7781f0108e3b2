"""How `goroutines` asks a service: in which form, what that costs it, and what is remembered of earlier looks."""

import re
import time
from datetime import UTC, datetime
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from diagmesh.adapters.godump.memory import Memory
from diagmesh.adapters.godump.report import Report
from diagmesh.contract.answers.goroutines import Cycle, DumpForm, GoroutinesQuestion, Growth, Leak, Waited
from diagmesh.errors import PageMissing
from diagmesh.gopages import pprof
from diagmesh.target import Target
from diagmesh_agents._identity import process_of

__all__ = ["FULL_MOST", "Index", "Past", "form_for", "index_of", "parse_index", "past_of"]

FULL_MOST: Final = 5_000
"""With more goroutines only counts are asked for: while every stack is written the service stands still, 30 ms at 5,000
goroutines and a second at 100,000 (`make bench ARGS=dumping`)."""
_INDEX_BYTES: Final = 64 * 1024
_ROW: Final = re.compile(rb"<td>(\d{1,12})</td><td><a href='?\"?([a-z]{1,30})\?")


class Index(msgspec.Struct, frozen=True):
    """What the index of pprof says.

    Args:
        goroutines: how many there are; None when it does not say.
        leaks: whether Go's leak profile is offered.
    """

    goroutines: int | None
    leaks: bool


async def index_of(target: Target) -> Index:
    """How many goroutines there are, which costs the service nothing; a service without an index may have dumps."""
    try:
        page = await target.go.fetch(pprof(""), limit_bytes=_INDEX_BYTES, timeout_s=2.0)
    except PageMissing:
        return Index(None, leaks=False)
    return parse_index(page.body)


def parse_index(page: bytes) -> Index:
    """What the HTML of net/http/pprof says: a row for each profile, with how much is in it."""
    counts = {name: int(count) for count, name in _ROW.findall(page)}
    return Index(counts.get(b"goroutine"), b"goroutineleak" in counts)


def form_for(question: GoroutinesQuestion, index: Index) -> tuple[DumpForm, str]:
    """In which form to ask, and why, if nobody chose one."""
    if question.form is not None:
        return (DumpForm.STACKS if question.form is DumpForm.STACKS else DumpForm.COUNTS), ""
    if index.goroutines is None or index.goroutines <= FULL_MOST:
        return DumpForm.STACKS, ""
    why = f"more than {FULL_MOST:,} goroutines: only counted, because the service stands still for a full dump"
    return DumpForm.COUNTS, why


class Past:
    """What is remembered of one process."""

    def __init__(self, process: object) -> None:
        self.process = process
        self._memories: dict[DumpForm, Memory] = {}
        self.leaks: tuple[Leak, ...] | None = None
        self.leaks_at = float("-inf")

    def compared(
        self, report: Report, form: DumpForm
    ) -> tuple[tuple[Growth, ...], tuple[Waited, ...], tuple[Cycle, ...], Memory]:
        """What grew, and since when who waits for what; dumps of different forms say different things."""
        memory = self._memories.setdefault(form, Memory())
        at = time.monotonic()
        growth = memory.look(at, datetime.now(UTC), report.sites)
        waited = memory.waited(at, report.waited, report.waiters)
        return growth, waited, memory.cycles(at, report.cycles), memory


_pasts: Final[WeakKeyDictionary[Target, Past]] = WeakKeyDictionary()
"""Of each neighbour that was ever asked; a sidecar that is never asked keeps nothing."""


def past_of(target: Target) -> Past:
    """What is remembered of the process that is there now: another one begins anew."""
    process = process_of(target)
    past = _pasts.get(target)
    if past is None or past.process != process:
        past = _pasts[target] = Past(process)
    return past
