"""Ask many: one question per service, replies attributed by where they arrive, back the moment the last one is in."""

from diagmesh.gather.learn import learn
from diagmesh.gather.plan import Ask, Plan
from diagmesh.gather.round import Absences, Gather

__all__ = ["Absences", "Ask", "Gather", "Plan", "learn"]
