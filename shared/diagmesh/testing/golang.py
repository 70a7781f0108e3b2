"""A Go service of the test's making: its pages, its runtime, the reports of its race detector."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from diagmesh.contract.answers.races import Races
from diagmesh.errors import Busy, PageTooLarge, Unavailable
from diagmesh.gopages import LIMIT_BYTES, Fetched, GoPage, Query, Setting, not_configured
from diagmesh.goruntime import GoLook, GoSample, HeapGrowth

__all__ = ["FakeGo", "FakeGoRuntime", "FakeRaces"]


class FakeGo:
    """Diagnostic pages of the test's making, by what is asked for: ``FakeGo({"pprof/heap?debug=1": b"…"})``.

    Each page is its bytes, an error that is raised, or a list of these, told one after the other, the last one for
    good. A page that is not given is one whose place the settings do not name. `asked` lists what was fetched.
    """

    def __init__(self, pages: Mapping[str, bytes | Exception | list[bytes | Exception]]) -> None:
        self._pages = {name: page if isinstance(page, list) else [page] for name, page in pages.items()}
        self.asked: list[str] = []
        self.at_work = ""

    @property
    def places(self) -> Mapping[Setting, str]:
        """The settings to which a page was given."""
        known: tuple[Setting, ...] = ("pprof", "expvar", "metrics")
        given = {name.partition("/")[0].partition("?")[0] for name in self._pages}
        return {key: f"http://the-test/{key}" for key in known if key in given}

    async def fetch(
        self,
        page: GoPage,
        *,
        query: Query | None = None,
        limit_bytes: int = LIMIT_BYTES,
        timeout_s: float = 5.0,  # noqa: ARG002  a fake is never late
        whole: bool = False,
        into: Path | None = None,
    ) -> Fetched:
        """The next of what the test gave for that page."""
        words = "&".join(f"{key}={value}" for key, value in (query or {}).items())
        name = f"{page}?{words}" if words else str(page)
        self.asked.append(name)
        if name not in self._pages:
            raise not_configured("the test", page.setting)
        row = self._pages[name]
        body = row.pop(0) if len(row) > 1 else row[0]
        if isinstance(body, Exception):
            raise body
        if len(body) > limit_bytes and whole:
            raise PageTooLarge(f"{name} has {len(body)} B")
        told = body[:limit_bytes]
        if into is not None:
            await asyncio.to_thread(into.write_bytes, told)
        return Fetched(
            body=told if into is None else b"",
            size_bytes=len(told),
            content_type="",
            took_ms=1.0,
            cut=len(body) > limit_bytes,
        )

    @asynccontextmanager
    async def alone(self, what: str, *, for_s: float = 0.0, wait_s: float = 2.0) -> AsyncIterator[None]:  # noqa: ARG002
        """Taken at once, or `Busy` while another one has it."""
        if self.at_work:
            raise Busy(f"{self.at_work} is under way")
        self.at_work = what
        try:
            yield
        finally:
            self.at_work = ""


class FakeGoRuntime:
    """A Go runtime that shows what the test gives it.

    Args:
        looks: told one after the other, the last one for good; an exception among them is raised.
        samples: its past.
        growth: of its heap.
    """

    def __init__(
        self, *looks: GoLook | Exception, samples: Sequence[GoSample] = (), growth: HeapGrowth | None = None
    ) -> None:
        self._looks = list(looks)
        self.growth = growth
        self._samples = samples

    async def look(self) -> GoLook:
        """The next look."""
        if not self._looks:
            raise not_configured("the test", "expvar", "metrics", "pprof")
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, Exception):
            raise look
        return look

    def samples(self, window_s: float | None = None) -> Sequence[GoSample]:
        """The past of the window, oldest first."""
        if window_s is None or not self._samples:
            return self._samples
        return tuple(one for one in self._samples if one.at >= self._samples[-1].at - window_s)


class FakeRaces:
    """What a race detector reported, of the test's making; without an answer nobody could report anything."""

    def __init__(self, answer: Races | None = None) -> None:
        self._answer = answer

    def look(self) -> Races:
        """The answer."""
        if self._answer is None:
            raise Unavailable("the test gave this fake no races", code=501, error="not on this instance")
        return self._answer
