"""The diagnostic pages of a Go service, as an agent may see them: which there are, and a door to fetch them by."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, Literal, NamedTuple, NoReturn, Protocol

import msgspec

from diagmesh.errors import NotConfigured

__all__ = [
    "EXPVAR",
    "LIMIT_BYTES",
    "METRICS",
    "Fetched",
    "GoDoor",
    "GoPage",
    "NoGoDoor",
    "Query",
    "Setting",
    "not_configured",
    "pprof",
]

LIMIT_BYTES: Final = 16 << 20
"""What is read of a page into memory unless the agent says otherwise."""
Query = Mapping[str, str | int]
Setting = Literal["pprof", "expvar", "metrics"]
"""The key of ``[targets.go]`` that names the place of a page."""
_EXAMPLES: Final[dict[Setting, tuple[str, str]]] = {
    "pprof": ("http://127.0.0.1:6060/debug/pprof", "net/http/pprof"),
    "expvar": ("http://127.0.0.1:6060/debug/vars", "expvar"),
    "metrics": ("http://127.0.0.1:6060/metrics", "a Prometheus handler"),
}


class GoPage(NamedTuple):
    """One page.

    Args:
        setting: which URL of the settings it stands at.
        name: what follows that URL (of pprof alone: ``goroutine``).
        heavy: whether the service notices that it is fetched; such pages are fetched one at a time.
    """

    setting: Setting
    name: str = ""
    heavy: bool = False

    def __str__(self) -> str:
        """As it is called in messages: ``pprof/goroutine``."""
        return f"{self.setting}/{self.name}" if self.name else self.setting


EXPVAR: Final = GoPage("expvar")
METRICS: Final = GoPage("metrics")


def pprof(name: str, *, heavy: bool = True) -> GoPage:
    """A page of ``net/http/pprof``, by its name (``heap``); the empty name is the index."""
    return GoPage("pprof", name, heavy and bool(name))


class Fetched(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One page.

    Args:
        body: what it holds; empty where it was written to a file.
        size_bytes: how much was read.
        content_type: as the service declares it.
        took_ms: from the connection to the last byte.
        cut: whether it goes on after what was read.
    """

    body: bytes
    size_bytes: int
    content_type: str
    took_ms: float
    cut: bool = False


class GoDoor(Protocol):
    """The way to the diagnostic pages of one instance."""

    @property
    def places(self) -> Mapping[Setting, str]:
        """What the settings name, and where (without secrets)."""
        ...

    @property
    def at_work(self) -> str:
        """What is fetched alone at this moment, in words; empty when nothing is."""
        ...

    async def fetch(
        self,
        page: GoPage,
        *,
        query: Query | None = None,
        limit_bytes: int = LIMIT_BYTES,
        timeout_s: float = 5.0,
        whole: bool = False,
        into: Path | None = None,
    ) -> Fetched:
        """Fetch a page: no proxy, no redirect followed, and never more of it in memory or on disk than the limit.

        A heavy page waits up to two seconds for its turn, unless `alone` is held already.

        Args:
            page: which one.
            query: what to ask it for (``{"debug": 2}``).
            limit_bytes: so much of it is read; `Fetched.cut` says whether there is more.
            timeout_s: for all of it; a CPU profile takes its own seconds, too.
            whole: a part is of no use, so that more than the limit is an error.
            into: a file that is not there yet; it gets the page instead of the memory (mode 0600).

        Raises:
            NotConfigured: the settings name no place for it.
            PageMissing: the service has no such page.
            PageUnreachable: nothing listens there, or no HTTP came about.
            PageRefused: the service answers with another status.
            PageLate: it did not come to an end in time.
            PageTooLarge: it is larger than the limit and was wanted whole.
            NotGoPage: what came is not what such a page holds.
            Busy: another heavy page is fetched, here or by somebody else.
        """
        ...

    def alone(self, what: str, *, for_s: float = 0.0, wait_s: float = 2.0) -> AbstractAsyncContextManager[None]:
        """Have the heavy pages to oneself, for several fetches that belong together.

        Args:
            what: in words, for those who have to wait (``a CPU profile of 5 s``).
            for_s: how long that will take, if it is known.
            wait_s: how long to wait for those before.

        Raises:
            Busy: others are at it, and will not be done in that time.
        """
        ...


class NoGoDoor:
    """The door of an instance whose settings name none: each fetch says what to add.

    Args:
        name: SERVICE/INSTANCE.
    """

    places: Mapping[Setting, str] = {}
    at_work = ""

    def __init__(self, name: str) -> None:
        self._name = name

    async def fetch(
        self,
        page: GoPage,
        *,
        query: Query | None = None,  # noqa: ARG002
        limit_bytes: int = LIMIT_BYTES,  # noqa: ARG002
        timeout_s: float = 5.0,  # noqa: ARG002
        whole: bool = False,  # noqa: ARG002
        into: Path | None = None,  # noqa: ARG002
    ) -> Fetched:
        """Never: see `GoDoor.fetch`.

        Raises:
            NotConfigured: always.
        """
        raise not_configured(self._name, page.setting)

    def alone(self, what: str, *, for_s: float = 0.0, wait_s: float = 2.0) -> NoReturn:  # noqa: ARG002
        """Never: see `GoDoor.alone`.

        Raises:
            NotConfigured: always.
        """
        raise not_configured(self._name, "pprof")


def not_configured(name: str, *settings: Setting) -> NotConfigured:
    """What to tell somebody who asks for a page whose place is not named: any one of these settings would do.

    Args:
        name: SERVICE/INSTANCE.
        settings: in the order of preference.
    """
    examples = " or ".join(f'{key} = "{_EXAMPLES[key][0]}"' for key in settings)
    serves = " or ".join(dict.fromkeys(_EXAMPLES[key][1] for key in settings))
    return NotConfigured(
        f"the settings of the sidecar name no place for Go pages ({' or '.join(settings)})",
        hint=f"add under the [[targets]] of {name} a table [targets.go] with {examples}; there has to be {serves}",
    )
