"""certificate-expiring: a certificate that a nats-server shows expires soon."""

from collections.abc import Iterator

from diagmesh.contract.answers.server import Server
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._words import DAY_S, duration, moment

__all__ = ["CertificateLimits", "certificate_expiring"]


class CertificateLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many days before its end.

    Args:
        warning_days: a warning.
        error_days: an error; an expired one is critical.
    """

    warning_days: float = 30.0
    error_days: float = 7.0


@rule(
    "SRV-008",
    "Certificate of the server expires soon",
    severity=Severity.WARNING,
    issue=FindingClass.CONFIGURATION,
    reads=(Server,),
    limits=CertificateLimits(),
)
def certificate_expiring(seen: Evidence, limits: CertificateLimits) -> Iterator[Hit | Unjudged]:
    """Every certificate of every nats-server is good for 30 days (`warning_days`) more."""
    for where, answer in seen.each(Server):
        for one in answer.certificates:
            days = one.left_s / DAY_S
            if days >= limits.warning_days:
                continue
            words = f"expired {duration(-one.left_s)} ago" if days < 0 else f"expires in {duration(one.left_s)}"
            yield Hit(
                where=where,
                title=f"the certificate of {answer.name} for {one.door} {words}",
                evidence=(
                    Fact(what="good until", value=moment(one.not_after), at=one.door),
                    Fact(what="left", value=round(days, 2), unit="d", limit=limits.warning_days),
                ),
                severity=_severity(days, limits),
            )


def _severity(days: float, limits: CertificateLimits) -> Severity:
    if days < 0:
        return Severity.CRITICAL
    return Severity.ERROR if days < limits.error_days else Severity.WARNING
