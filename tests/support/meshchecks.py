"""A whole real mesh, judged by its coordinator with every rule, as a person's `diagmesh check` would."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from diagmesh.client import Mesh
from diagmesh.contract.findings import Finding
from diagmesh.contract.verdicts import Check, CheckQuestion, RuleVerdict, Verdict
from diagmesh.errors import Late, NoAnswer

__all__ = ["RULES", "checked", "finding", "told", "until_told", "verdict_of"]

_WAIT_S: Final = 30.0

RULES: Final = """
            [[rules]]
            code = "RES-007"
            limits = { full_share = 1.01 }
"""
"""Settings of a coordinator: how full the disks of this machine are is no matter of a test of something else."""


async def checked(mesh: Mesh, timeout_s: float = 3.0) -> Check:
    """What all rules say now; whoever is connected and silent is waited for nearly as long as this may take."""
    return (await mesh.one(Check, "mesh", CheckQuestion(), timeout_s=timeout_s)).answer


def told(check: Check) -> dict[str, tuple[str, ...]]:
    """By code, where it was found; fails where a rule is broken."""
    assert not [one for one in check.verdicts if one.verdict is Verdict.BROKEN]
    found: dict[str, tuple[str, ...]] = {}
    for one in check.findings:
        found[one.code] = (*found.get(one.code, ()), *one.instances)
    return found


def finding(check: Check, code: str) -> Finding:
    """The one finding with that code."""
    (one,) = [each for each in check.findings if each.code == code]
    return one


def verdict_of(check: Check, code: str) -> RuleVerdict:
    """What became of one rule."""
    (one,) = [each for each in check.verdicts if each.code == code]
    return one


async def until_told(
    mesh: Mesh, wanted: dict[str, tuple[str, ...]], also: Callable[[Check], bool] = lambda _: True
) -> Check:
    """The first check with exactly these findings: a fault needs its time to show, and to be gone."""
    deadline, last = time.monotonic() + _WAIT_S, ""
    while True:
        try:
            check = await checked(mesh)
        except (Late, NoAnswer) as error:  # beside somebody frozen its time is short; nothing was seen
            last = str(error)
        else:
            if told(check) == wanted and also(check):
                return check
            last = f"{told(check)}, {check}"
        assert time.monotonic() < deadline, f"never {wanted}; last: {last}"
        await asyncio.sleep(0.1)
