"""Packs: agents from installed distributions (entry point group ``diagmesh.agents``), one module per agent.

A module that fails to import is listed as broken and the rest is served; the same kind twice is refused.
"""

import importlib
import logging
import pkgutil
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import msgspec

from diagmesh.declare import AgentSpec
from diagmesh.errors import SettingsError

__all__ = ["AGENT_GROUP", "AgentPack", "Broken", "load_agents"]

AGENT_GROUP = "diagmesh.agents"
log = logging.getLogger("diagmesh.packs")


class Broken(msgspec.Struct, frozen=True):
    """A module of a pack that could not be used, and why."""

    module: str
    reason: str


class AgentPack(msgspec.Struct, frozen=True):
    """All agents found, by kind, and what was broken."""

    agents: dict[str, AgentSpec]
    broken: tuple[Broken, ...] = ()


def load_agents(points: Iterable[EntryPoint] | None = None) -> AgentPack:
    """Every agent of every installed pack.

    Raises:
        SettingsError: two modules declare the same kind; the message names both.
    """
    agents: dict[str, AgentSpec] = {}
    homes: dict[str, str] = {}
    broken: list[Broken] = []
    chosen = entry_points(group=AGENT_GROUP) if points is None else points
    for point in sorted(chosen, key=lambda one: (one.value, one.name)):
        for name, found in _modules(point.value):
            if isinstance(found, Broken):
                log.warning("pack module %s is broken: %s", found.module, found.reason)
                broken.append(found)
                continue
            for spec in _declared(found):
                if spec.kind in agents and agents[spec.kind] is not spec:
                    raise SettingsError(f"kind {spec.kind!r} is declared twice: by {homes[spec.kind]} and by {name}")
                agents[spec.kind] = spec
                homes[spec.kind] = name
    return AgentPack(agents, tuple(broken))


def _modules(package_name: str) -> Iterator[tuple[str, ModuleType | Broken]]:
    package = _import(package_name)
    yield package_name, package
    if isinstance(package, Broken) or not hasattr(package, "__path__"):
        return
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda one: one.name):
        if not info.name.startswith("_"):
            name = f"{package_name}.{info.name}"
            yield name, _import(name)


def _import(name: str) -> ModuleType | Broken:
    try:
        return importlib.import_module(name)
    except Exception as error:  # noqa: BLE001  a third-party module may fail in any way; the rest must be served
        return Broken(name, f"{type(error).__name__}: {error}")


def _declared(module: ModuleType) -> Iterator[AgentSpec]:
    for value in vars(module).values():
        if isinstance(value, AgentSpec):
            yield value
