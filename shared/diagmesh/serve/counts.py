"""What happened to the questions, by kind; only kinds that exist are counted, askers cannot grow this table."""

import logging

from diagmesh.contract.wire import Problem
from diagmesh.serve.kinds import Kinds

__all__ = ["Counts", "KindStats"]

log = logging.getLogger("diagmesh.serve")


class KindStats:
    """What happened to the questions of one kind (times in nanoseconds, as ADR-32 wants them)."""

    __slots__ = ("errors", "last_error", "processing_ns", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.last_error = ""
        self.processing_ns = 0


class Counts:
    """The statistics of one member.

    Args:
        kinds: what is answered.
    """

    def __init__(self, kinds: Kinds) -> None:
        self.stats: dict[str, KindStats] = {}
        self._kinds = kinds

    def add(self, kind: str, took_ns: int, problem: Problem | None) -> bool:
        """Count one reply; whether that kind exists."""
        stats = self.stats.get(kind)
        if stats is None:
            if self._kinds.find(kind) is None:
                return False
            stats = self.stats[kind] = KindStats()
        stats.requests += 1
        stats.processing_ns += took_ns
        log.debug("%s: %s after %.1f ms", kind, "answered" if problem is None else problem.error, took_ns / 1e6)
        if problem is not None:
            stats.errors += 1
            stats.last_error = f"{problem.code}:{problem.error}"
        return True
