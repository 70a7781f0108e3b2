"""Ask many: one question per service, replies attributed by where they arrive, back the moment the last one is in."""

from diagmesh.gather.batches import BatchGather, Progress, batches_of, gathering, share_s
from diagmesh.gather.choice import Choice, Listed, Listing, choose
from diagmesh.gather.learn import learn
from diagmesh.gather.missing import Absences
from diagmesh.gather.plan import Ask, Lacking, Plan, agent_budget_ms
from diagmesh.gather.round import Gather
from diagmesh.gather.selection import Selector, check_instances, check_services, named

__all__ = [
    "Absences",
    "Ask",
    "BatchGather",
    "Choice",
    "Gather",
    "Lacking",
    "Listed",
    "Listing",
    "Plan",
    "Progress",
    "Selector",
    "agent_budget_ms",
    "batches_of",
    "check_instances",
    "check_services",
    "choose",
    "gathering",
    "learn",
    "named",
    "share_s",
]
