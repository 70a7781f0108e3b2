"""disk-nearly-full: a filesystem that an instance uses has hardly any room, in bytes or in inodes."""

from collections.abc import Iterator

from diagmesh.contract.answers.resources import Resources
from diagmesh.contract.answers.surroundings import Disks
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh_rules._usage import blind_words
from diagmesh_rules._words import percent

__all__ = ["DiskLimits", "disk_nearly_full"]


class DiskLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How full is too full, of the fullest writable filesystem that the process uses.

    Args:
        full_share: used, of bytes or of inodes: a warning.
        error_share: from here it is an error.
    """

    full_share: float = 0.9
    error_share: float = 0.97


@rule(
    "RES-007",
    "Disk is nearly full",
    severity=Severity.WARNING,
    issue=FindingClass.RESOURCE_EXHAUSTION,
    reads=(Resources,),
    limits=DiskLimits(),
)
def disk_nearly_full(seen: Evidence, limits: DiskLimits) -> Iterator[Hit | Unjudged]:
    """Every filesystem that an instance writes to has room, in bytes and in inodes."""
    for where, answer in seen.each(Resources):
        disks = answer.disks
        full = _full(disks, limits) if disks is not None else []
        if full:
            worst, at, of = full[0]
            facts = tuple(
                Fact(what=f"{of} used at {at}", value=share, unit="share", limit=limits.full_share)
                for share, at, of in full
            )
            severity = Severity.ERROR if worst >= limits.error_share else Severity.WARNING
            title = f"{percent(worst)} of the {of} used at {at}"
            yield Hit(where=where, title=title, evidence=facts, severity=severity, now=(f"df -h {at}; df -i {at}",))
        elif disks is None or (disks.fullest_share is None and not _sealed(disks, answer)):
            words = "how full its filesystems are could not be seen"
            yield Unjudged(where=where, why=blind_words(answer, "filesystem", words))


def _sealed(disks: Disks, answer: Resources) -> bool:
    """Whether it can write nowhere, and none of it is hidden: a container with a read-only root, say."""
    return disks.count > 0 and not any(one.what.startswith("filesystem") for one in answer.blind)


def _full(disks: Disks, limits: DiskLimits) -> list[tuple[float, str, str]]:
    """What is too full, the fullest first: share, mount point, and of what."""
    seen = (
        (disks.fullest_share, disks.fullest_at, "bytes"),
        (disks.fullest_inodes_share, disks.fullest_inodes_at, "inodes"),
    )
    full = [(share, at, of) for share, at, of in seen if share is not None and share >= limits.full_share]
    return sorted(full, key=lambda one: -one[0])
