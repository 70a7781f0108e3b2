"""Which kind an answer type is for: its module in `diagmesh.contract.answers`, else its own name in dashes."""

import re
from collections.abc import Mapping
from typing import Final

from diagmesh.contract.names import check_token
from diagmesh.contract.wire import Answer

__all__ = ["ANSWERS", "SUMS", "kind_of_type", "summed_kind"]

ANSWERS: Final = "diagmesh.contract.answers"
"""The package whose modules are named for the kinds of their answer types."""

SUMS: Final[Mapping[str, str]] = {"servers": "server"}
"""Names that only the mesh as a whole has (``diag.mesh.servers``), and the kind that is added up then."""


def summed_kind(name: str) -> str:
    """The kind that is added up under a name: ``server`` for ``servers``; every other name is the kind itself."""
    return SUMS.get(name, name)


def kind_of_type(answer: type[Answer]) -> str:
    """The kind that an answer type is for (``Health``: ``health``; of others, ``OpenFiles``: ``open-files``).

    Raises:
        BadName: no kind can be made of the name.
    """
    package, _, module = answer.__module__.rpartition(".")
    if package == ANSWERS:
        return module.replace("_", "-")
    return check_token(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", answer.__name__).lower(), "kind")
