"""Packs: agents and rules from installed distributions, one module each.

Entry points of the groups ``diagmesh.agents`` and ``diagmesh.rules`` name packages; their modules are scanned, names
that begin with ``_`` skipped. A module that fails to import, and a rule without its page, is listed as broken and the
rest is used; the same kind or code twice is refused.
"""

import importlib
import logging
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Final, TypeVar

import msgspec

from diagmesh.declare import AgentSpec, RuleSpec
from diagmesh.errors import DiagmeshError, SettingsError
from diagmesh.pages import Page, page_of

__all__ = ["AGENT_GROUP", "RULE_GROUP", "AgentPack", "Broken", "RulePack", "load_agents", "load_rules"]

AGENT_GROUP: Final = "diagmesh.agents"
RULE_GROUP: Final = "diagmesh.rules"
log = logging.getLogger("diagmesh.packs")
T = TypeVar("T")


class Broken(msgspec.Struct, frozen=True):
    """A module of a pack that could not be used, and why."""

    module: str
    reason: str

    @property
    def kind(self) -> str:
        """The kind that a module of agents would have answered: its file name says it."""
        return self.module.rpartition(".")[2].replace("_", "-")


class AgentPack(msgspec.Struct, frozen=True):
    """All agents found, by kind, and what was broken."""

    agents: dict[str, AgentSpec]
    broken: tuple[Broken, ...] = ()


class RulePack(msgspec.Struct, frozen=True):
    """All rules found, by code, the page of each, and what was broken."""

    rules: dict[str, RuleSpec]
    pages: dict[str, Page]
    broken: tuple[Broken, ...] = ()


def load_agents(points: Iterable[EntryPoint] | None = None) -> AgentPack:
    """Every agent of every installed pack.

    Raises:
        SettingsError: two modules declare the same kind; the message names both.
    """
    agents, broken = _load(AGENT_GROUP, points, AgentSpec, lambda spec: spec.kind, "kind")
    return AgentPack(agents, tuple(broken))


def load_rules(points: Iterable[EntryPoint] | None = None) -> RulePack:
    """Every rule of every installed pack, with its page.

    Raises:
        SettingsError: two modules declare the same code; the message names both.
    """
    rules, broken = _load(RULE_GROUP, points, RuleSpec, lambda spec: spec.code, "code")
    pages: dict[str, Page] = {}
    for code, spec in list(rules.items()):
        try:
            pages[code] = page_of(spec.module, code)
        except DiagmeshError as error:
            _note(broken, Broken(spec.module, str(error)))
            del rules[code]
    return RulePack(dict(sorted(rules.items())), pages, tuple(broken))


def _load(
    group: str, points: Iterable[EntryPoint] | None, kind: type[T], name_of: Callable[[T], str], what: str
) -> tuple[dict[str, T], list[Broken]]:
    specs: dict[str, T] = {}
    homes: dict[str, str] = {}
    broken: list[Broken] = []
    chosen = entry_points(group=group) if points is None else points
    for point in sorted(chosen, key=lambda one: (one.value, one.name)):
        for module, found in _modules(point.value):
            if isinstance(found, Broken):
                _note(broken, found)
                continue
            for spec in (value for value in vars(found).values() if isinstance(value, kind)):
                name = name_of(spec)
                if specs.get(name, spec) is not spec:
                    raise SettingsError(f"{what} {name!r} is declared twice: by {homes[name]} and by {module}")
                specs[name] = spec
                homes[name] = module
    return specs, broken


def _note(broken: list[Broken], one: Broken) -> None:
    log.warning("pack module %s is broken: %s", one.module, one.reason)
    broken.append(one)


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
