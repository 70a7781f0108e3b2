"""diagmesh: ask any service anything, over NATS.

Public names are loaded on first use, so that ``from diagmesh import agent`` costs no NATS client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from diagmesh.client import Mesh
    from diagmesh.contract.measures import Measure, Ranked
    from diagmesh.contract.wire import Answer, Blind, Nothing, Problem, Question, Reply, Status
    from diagmesh.declare import AgentSpec, agent
    from diagmesh.errors import Declined, DiagmeshError, Unavailable
    from diagmesh.target import Target

__version__: Final = "0.1.0"

__all__ = [
    "AgentSpec",
    "Answer",
    "Blind",
    "Declined",
    "DiagmeshError",
    "Measure",
    "Mesh",
    "Nothing",
    "Problem",
    "Question",
    "Ranked",
    "Reply",
    "Status",
    "Target",
    "Unavailable",
    "__version__",
    "agent",
]

_HOME: Final = {
    "AgentSpec": "diagmesh.declare",
    "Answer": "diagmesh.contract.wire",
    "Blind": "diagmesh.contract.wire",
    "Declined": "diagmesh.errors",
    "DiagmeshError": "diagmesh.errors",
    "Measure": "diagmesh.contract.measures",
    "Mesh": "diagmesh.client",
    "Nothing": "diagmesh.contract.wire",
    "Problem": "diagmesh.contract.wire",
    "Question": "diagmesh.contract.wire",
    "Ranked": "diagmesh.contract.measures",
    "Reply": "diagmesh.contract.wire",
    "Status": "diagmesh.contract.wire",
    "Target": "diagmesh.target",
    "Unavailable": "diagmesh.errors",
    "agent": "diagmesh.declare",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its home module."""
    if name not in _HOME:
        raise AttributeError(f"module 'diagmesh' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
