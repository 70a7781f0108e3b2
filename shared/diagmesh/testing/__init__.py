"""For tests of agents and rules, ours and those of others: a neighbour without a process, evidence without a mesh."""

from diagmesh.testing.evidence import answered, judged, refused
from diagmesh.testing.golang import FakeGo, FakeGoRuntime, FakeRaces
from diagmesh.testing.probes import FakeProbe
from diagmesh.testing.process import FakeProcess, FakeRing
from diagmesh.testing.target import FakeTarget

__all__ = [
    "FakeGo",
    "FakeGoRuntime",
    "FakeProbe",
    "FakeProcess",
    "FakeRaces",
    "FakeRing",
    "FakeTarget",
    "answered",
    "judged",
    "refused",
]
