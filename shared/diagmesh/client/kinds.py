"""Which answer type belongs to which kind: by the library's own answer modules, or by the type the caller brings."""

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any, Final

import diagmesh.contract.answers
from diagmesh.contract.directory import Services
from diagmesh.contract.verdicts import Check
from diagmesh.contract.wire import Answer

__all__ = ["COORDINATOR_KINDS", "ITSELF", "answer_type_of"]

_PACKAGE = diagmesh.contract.answers
COORDINATOR_KINDS: Final[dict[str, type[Answer]]] = {"services": Services, "check": Check}
"""What a coordinator answers itself, without adding anything up."""

ITSELF: Final = "coordinator"
"""What a coordinator answers of itself, and adds up over all coordinators."""


@cache
def answer_type_of(kind: str) -> type[Answer] | None:
    """The answer type of a kind that this version knows: ``Health`` for ``health``; None for all others."""
    if kind in COORDINATOR_KINDS:
        return COORDINATOR_KINDS[kind]
    module_name = kind.replace("-", "_")
    if module_name not in {info.name for info in pkgutil.iter_modules(_PACKAGE.__path__)}:
        return None
    name = "".join(part.capitalize() for part in module_name.split("_"))
    found: Any = getattr(import_module(f"{_PACKAGE.__name__}.{module_name}"), name, None)
    return found if isinstance(found, type) and issubclass(found, Answer) else None
