"""What a Go process was born with: version and settings of its build, and the variables that its runtime reads."""

import re
from typing import Any, Final

import msgspec

from diagmesh.adapters.blinds import Blinds
from diagmesh.adapters.buildinfo import build_of
from diagmesh.adapters.procfs import PidDir
from diagmesh.contract.wire import Blind

__all__ = ["Birth", "birth_of", "parse_limit", "parse_percent"]

_VARIABLES: Final = frozenset({"GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG"})
_LIMIT: Final = re.compile(r"(\d{1,19})(B|KiB|MiB|GiB|TiB)?\Z")
_UNITS: Final = {"": 0, "B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}
_WHOLE: Final = re.compile(r"-?\d{1,9}\Z")
_NO_LIMIT: Final = 1 << 62
_USUAL_GOGC: Final = 100
_OFF: Final = -1
ENVIRONMENT: Final = "environment"
BUILD: Final = "build information"
USUAL: Final = "default of Go"


class Birth(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The fields of a `GoLook` that do not change while the process lives, and what could not be read.

    Args:
        fields: as `GoLook` names them.
        sources: where each of them was seen.
        blind: what could not be read.
    """

    fields: dict[str, Any] = {}
    sources: dict[str, str] = {}
    blind: tuple[Blind, ...] = ()


def birth_of(directory: PidDir) -> Birth:
    """Read it; some milliseconds, and blocking.

    Raises:
        NotRunning: the process has ended.
    """
    blinds = Blinds()
    fields: dict[str, Any] = {}
    sources: dict[str, str] = {}
    build = blinds.see(lambda: directory.opened("exe", "Go build information", build_of))
    if build is not None:
        fields |= {"version": build.version[:60], "build": build.settings, "modules": tuple(build.modules)}
        sources |= dict.fromkeys(("version", "build", "modules"), BUILD)
    variables = blinds.see(lambda: _variables(directory.read("environ", "environment of the process")))
    if variables is not None:
        told = _of_variables(variables)
        fields |= told
        sources |= dict.fromkeys(told, ENVIRONMENT)
        if "gogc_percent" not in fields:
            fields["gogc_percent"] = _USUAL_GOGC
            sources["gogc_percent"] = USUAL
        if "memory_limited" not in fields:
            fields["memory_limited"] = False
            sources["memory_limited"] = USUAL
    return Birth(fields=fields, sources=sources, blind=blinds.all())


def _variables(environ: bytes) -> dict[str, str]:
    """Of all variables those of the runtime; no other one is kept for a moment, for they may be secrets."""
    found = {}
    for entry in environ.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name.decode("latin-1") in _VARIABLES:
            found[name.decode("latin-1")] = value.decode("latin-1")
    return found


def _of_variables(variables: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if (percent := parse_percent(variables.get("GOGC", ""))) is not None:
        fields["gogc_percent"] = percent
    if (limit := parse_limit(variables.get("GOMEMLIMIT", ""))) is not None:
        fields["memory_limited"] = limit < _NO_LIMIT
        if fields["memory_limited"]:
            fields["memory_limit_bytes"] = limit
    procs = variables.get("GOMAXPROCS", "")
    if _WHOLE.match(procs) and int(procs) > 0:
        fields["gomaxprocs"] = int(procs)
    if "GODEBUG" in variables:
        fields["godebug"] = variables["GODEBUG"][:500]
    return fields


def parse_percent(text: str) -> int | None:
    """GOGC: a whole number or ``off`` (-1, as any number below zero); None for what Go ignores."""
    if text == "off":
        return _OFF
    if not _WHOLE.match(text):
        return None
    return max(_OFF, int(text))


def parse_limit(text: str) -> int | None:
    """GOMEMLIMIT: bytes with a unit of two, or ``off`` (a number that is no limit); None for what Go refuses."""
    if text == "off":
        return _NO_LIMIT
    match = _LIMIT.match(text)
    return None if match is None else min(int(match[1]) << _UNITS[match[2] or ""], _NO_LIMIT)
