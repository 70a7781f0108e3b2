"""account-near-limit: an account uses nearly all that it may have."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._words import percent

__all__ = ["AccountLimits", "account_near_limit"]


class AccountLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How close is too close.

    Args:
        share: of the limit.
    """

    share: float = 0.9


@rule(
    "SRV-011",
    "Account is near its limits",
    severity=Severity.WARNING,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Server,),
    limits=AccountLimits(),
)
def account_near_limit(seen: Evidence, limits: AccountLimits) -> Iterator[Hit | Unjudged]:
    """Every account has room below its limits."""
    for where, answer in seen.each(Server):
        for one in answer.accounts:
            for what, used, most in (
                ("connections", one.connections, one.max_connections),
                ("leafnodes", one.leafs, one.max_leafs),
                ("subscriptions", one.subscriptions, one.max_subscriptions),
                ("JetStream storage", one.storage_bytes, one.max_storage_bytes),
                ("JetStream memory", one.memory_bytes, one.max_memory_bytes),
            ):
                if most is not None and used >= limits.share * most:
                    unit = "bytes" if what.startswith("JetStream") else "count"
                    yield Hit(
                        where=where,
                        title=f"account {one.name} uses {percent(used / most)} of its {what}",
                        evidence=(Fact(what=what, value=used, unit=unit, limit=float(most), at=one.name),),
                        severity=Severity.ERROR if used >= most else None,
                        names={"NAME": one.name},
                    )
