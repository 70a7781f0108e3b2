"""The coordinator's own metrics for Prometheus: who is there, what was asked, how long it took, what is the matter.

Imported only where metrics are wanted. Every label has a bound: whoever invents services or kinds cannot fill the
memory of the coordinator, nor that of whoever scrapes it.
"""

import platform
import time
from collections import Counter as Tally
from collections.abc import Iterator
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from diagmesh import __version__
from diagmesh.contract.mesh import MeshAnswer
from diagmesh.contract.verdicts import Check, Verdict
from diagmesh.contract.wire import Status
from diagmesh_coordinator.loop_lag import LAG_BUCKETS_S

__all__ = ["OTHER", "Metrics"]

OTHER: Final = "(other)"
"""The label under which everything above a bound is counted together."""
_MOST_KINDS: Final = 64
_TOOK_BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counts what a coordinator does; implements `diagmesh_coordinator.measures.Measures`."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second time series for each counter that nobody asks for
        self._registry = registry = CollectorRegistry()
        self._kinds = set[str]()
        self._questions = Counter(
            "diagmesh_questions", "Questions that were replied to", ["kind", "status"], registry=registry
        )
        self._took = Histogram(
            "diagmesh_question_seconds",
            "From a question to its reply: for most kinds that is one gather",
            ["kind"],
            registry=registry,
            buckets=_TOOK_BUCKETS_S,
        )
        self._gathers = Counter(
            "diagmesh_gathers", "Gathers by the reason for which they ended", ["kind", "ended"], registry=registry
        )
        self._replies = Counter(
            "diagmesh_gather_replies",
            "What gathers heard from instances, the silent counted too",
            ["kind", "status"],
            registry=registry,
        )
        self._findings = Gauge(
            "diagmesh_check_findings", "Findings of the last whole check", ["code", "severity"], registry=registry
        )
        self._rules = Gauge(
            "diagmesh_check_rules", "Rules by their verdict in the last whole check", ["verdict"], registry=registry
        )
        self._suppressed = Gauge(
            "diagmesh_check_suppressed", "Findings of the last whole check that are not told", registry=registry
        )
        self._checked_at = Gauge(
            "diagmesh_check_timestamp_seconds",
            "When all of the mesh was last checked by all rules; 0 for never",
            registry=registry,
        )
        self.lag = Histogram(
            "diagmesh_loop_lag_seconds",
            "How late the event loop comes to what is due: it is overloaded or blocked",
            registry=registry,
            buckets=LAG_BUCKETS_S,
        )
        build = Info("diagmesh_build", "What runs here", registry=registry)
        build.info({"version": __version__, "python": platform.python_version()})
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

    def read(self, source: Collector) -> None:
        """Ask ``source`` as well at every scrape."""
        self._registry.register(source)

    def asked(self, kind: str, status: Status, took_s: float) -> None:
        """See `Measures.asked`."""
        kind = self._bounded(kind)
        self._questions.labels(kind, status).inc()
        self._took.labels(kind).observe(took_s)

    def gathered(self, answer: MeshAnswer) -> None:
        """See `Measures.gathered`."""
        kind = self._bounded(answer.of)
        self._gathers.labels(kind, answer.ended).inc()
        for status, count in answer.by_status.items():
            self._replies.labels(kind, status).inc(count)

    def checked(self, check: Check, *, whole: bool) -> None:
        """See `Measures.checked`: only a whole check says which findings there are no more."""
        self._gathers.labels(self._bounded("check"), check.ended).inc()
        if not whole:
            return
        self._findings.clear()
        for (code, severity), count in Tally((one.code, one.severity) for one in check.findings).items():
            self._findings.labels(code, severity).set(count)
        verdicts = Tally(one.verdict for one in check.verdicts)
        for verdict in Verdict:
            self._rules.labels(verdict).set(verdicts[verdict])
        self._suppressed.set(len(check.suppressed))
        self._checked_at.set(time.time())

    def page(self, accept: str) -> tuple[str, bytes]:
        """Everything in the format that is accepted (text or OpenMetrics): its content type, and itself."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self._registry)

    def names(self) -> Iterator[str]:
        """The metrics that there are, without the endings of their samples."""
        return (family.name for family in self._registry.collect())

    def _bounded(self, kind: str) -> str:
        if kind not in self._kinds and len(self._kinds) >= _MOST_KINDS:
            return OTHER
        self._kinds.add(kind)
        return kind
