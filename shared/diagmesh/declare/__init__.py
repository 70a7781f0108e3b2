"""`agent` and `rule`: a typed function becomes a value that the runtime can use. No registry, no side effects."""

from diagmesh.declare.agents import AgentSpec, agent
from diagmesh.declare.rules import Hit, Limits, RuleSpec, Scope, Unjudged, rule

__all__ = ["AgentSpec", "Hit", "Limits", "RuleSpec", "Scope", "Unjudged", "agent", "rule"]
