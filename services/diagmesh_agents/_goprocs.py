"""GOMAXPROCS of a Go process against the CPU that it may use: told, set in its environment, or what its Go takes."""

import math
import re
from typing import Final

from diagmesh.contract.answers.cgroup import Bound
from diagmesh.contract.answers.resources import CpuLately
from diagmesh.contract.answers.runtime import Known, Scheduler
from diagmesh.goruntime import GoLook
from diagmesh.target import Look

__all__ = ["scheduler_of"]

_VERSION: Final = re.compile(r"go(\d{1,3})\.(\d{1,3})")
_KNOWS_QUOTAS: Final = (1, 25)
"""Since then a Go program takes no more than the quota of its control group, two at least (runtime.GOMAXPROCS)."""
_LEAST_OF_QUOTA: Final = 2
_OFF: Final = "containermaxprocs=0"
_SETS_IT: Final = ("go.uber.org/automaxprocs", "github.com/KimMachineGun/automaxprocs")
"""A program with one of these sets it by itself; to what, only the program can tell."""


def scheduler_of(look: GoLook, process: Look | None, lately: CpuLately | None) -> Scheduler:
    """Threads that run Go code, against the CPU that there is.

    Args:
        look: of the runtime.
        process: of the process; None where it cannot be seen.
        lately: its use of CPU.
    """
    group = process.cgroup_cpu if process is not None else None
    quota = group.quota_cores if group is not None else None
    procs, known = _gomaxprocs(look, quota, process.allowed_cpus if process is not None else None)
    return Scheduler(
        gomaxprocs=procs,
        known=known,
        bound=group.bound if group is not None else Bound.UNKNOWN,
        quota_cores=quota,
        allowed_cpus=process.allowed_cpus if process is not None else None,
        threads=process.threads if process is not None else None,
        threads_created=look.threads_created,
        cores_used=lately.cores_used if lately is not None else None,
        throttled_share=lately.throttled_share if lately is not None else None,
    )


def _gomaxprocs(look: GoLook, quota: float | None, cpus: int | None) -> tuple[int | None, Known | None]:
    if look.gomaxprocs is not None:
        told = look.sources.get("gomaxprocs") != "environment"
        return look.gomaxprocs, Known.TOLD if told else Known.ENVIRONMENT
    version = _VERSION.search(look.version)
    if version is None or cpus is None or not look.modules or any(one.startswith(_SETS_IT) for one in look.modules):
        return None, None
    off = _OFF in look.godebug or _OFF in look.build.get("DefaultGODEBUG", "")
    if quota is None or off or (int(version[1]), int(version[2])) < _KNOWS_QUOTAS:
        return cpus, Known.DEFAULT
    return min(cpus, max(_LEAST_OF_QUOTA, math.ceil(quota))), Known.DEFAULT
