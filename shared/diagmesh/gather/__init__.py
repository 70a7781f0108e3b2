"""Ask many: one question per service, replies attributed by where they arrive, back the moment the last one is in."""

from diagmesh.gather.learn import learn
from diagmesh.gather.plan import Ask, Plan, asks_for
from diagmesh.gather.round import Absences, Gather

__all__ = ["Absences", "Ask", "Gather", "Plan", "asks_for", "learn"]
