"""diagmesh: ask any service anything, over NATS.

Public names are loaded on first use, so that ``from diagmesh import agent`` costs no NATS client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from diagmesh.client import Mesh
    from diagmesh.contract.findings import Fact, FindingClass, Severity
    from diagmesh.contract.measures import Measure, Ranked
    from diagmesh.contract.wire import Answer, Blind, Nothing, Problem, Question, Reply, Status
    from diagmesh.declare import AgentSpec, Hit, Limits, RuleSpec, Unjudged, agent, rule
    from diagmesh.errors import Declined, DiagmeshError, Unavailable
    from diagmesh.evidence import Evidence
    from diagmesh.target import Target

__version__: Final = "0.1.0"

__all__ = [
    "AgentSpec",
    "Answer",
    "Blind",
    "Declined",
    "DiagmeshError",
    "Evidence",
    "Fact",
    "FindingClass",
    "Hit",
    "Limits",
    "Measure",
    "Mesh",
    "Nothing",
    "Problem",
    "Question",
    "Ranked",
    "Reply",
    "RuleSpec",
    "Severity",
    "Status",
    "Target",
    "Unavailable",
    "Unjudged",
    "__version__",
    "agent",
    "rule",
]

_HOME: Final = {
    "AgentSpec": "diagmesh.declare",
    "Answer": "diagmesh.contract.wire",
    "Blind": "diagmesh.contract.wire",
    "Declined": "diagmesh.errors",
    "DiagmeshError": "diagmesh.errors",
    "Evidence": "diagmesh.evidence",
    "Fact": "diagmesh.contract.findings",
    "FindingClass": "diagmesh.contract.findings",
    "Hit": "diagmesh.declare",
    "Limits": "diagmesh.declare",
    "Measure": "diagmesh.contract.measures",
    "Mesh": "diagmesh.client",
    "Nothing": "diagmesh.contract.wire",
    "Problem": "diagmesh.contract.wire",
    "Question": "diagmesh.contract.wire",
    "Ranked": "diagmesh.contract.measures",
    "Reply": "diagmesh.contract.wire",
    "RuleSpec": "diagmesh.declare",
    "Severity": "diagmesh.contract.findings",
    "Status": "diagmesh.contract.wire",
    "Target": "diagmesh.target",
    "Unavailable": "diagmesh.errors",
    "Unjudged": "diagmesh.declare",
    "agent": "diagmesh.declare",
    "rule": "diagmesh.declare",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its home module."""
    if name not in _HOME:
        raise AttributeError(f"module 'diagmesh' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
