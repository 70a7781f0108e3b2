"""A TOML file, then the environment over it, parsed once; every error names its key."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from diagmesh.contract.labels import labels_of
from diagmesh.errors import BadName, SettingsError
from diagmesh.settings.coordinator import CoordinatorSettings
from diagmesh.settings.sidecar import SidecarSettings

__all__ = ["load"]

ENVIRONMENT_PREFIX: Final = "DIAGMESH_"
_NO_SETTINGS: Final = frozenset({"DIAGMESH_DEBUG", "DIAGMESH_FIXTURES", "DIAGMESH_UPDATE_GOLDEN"})
"""Variables with our prefix that are for the CLI and for tests."""
_SERVICE_LINK: Final = re.compile(
    r"DIAGMESH_(\w+_)?(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=.*|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?=.*|PORT=\w+://.*)"
)
"""What Kubernetes tells every container about a Service whose name begins with ``diagmesh``."""
_LABELS: Final = "labels"

S = TypeVar("S", bound=msgspec.Struct)


def load(kind: type[S], path: str | None, environment: Mapping[str, str] | None = None) -> S:
    """Read settings from a TOML file, then lay the environment over it.

    ``DIAGMESH_HEARTBEAT_S=2`` sets ``heartbeat_s``, ``DIAGMESH_NATS__URL=…`` sets ``nats.url``: two underscores
    separate tables, letters fold to lower case. ``DIAGMESH_LABELS=zone=a,version=1.2`` holds a whole table.

    Raises:
        SettingsError: file missing or no TOML, an unknown key, a wrong type or value; the message names the key and
            where it comes from.
    """
    tree = _read(path) if path else {}
    try:
        msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}") from None
    variables = _overlay(tree, kind, os.environ if environment is None else environment)
    try:
        return msgspec.convert(tree, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"environment ({', '.join(variables)}): {error}") from None


def _read(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no valid TOML: {error}") from None


def _overlay(tree: dict[str, Any], kind: type[msgspec.Struct], environment: Mapping[str, str]) -> list[str]:
    """Lay the variables over the tree; returns their names."""
    mine = {field.name for field in msgspec.structs.fields(kind)}
    # One environment may serve both programs of a host, so what belongs to the other one is no mistake.
    known = {field.name for one in (SidecarSettings, CoordinatorSettings) for field in msgspec.structs.fields(one)}
    used = []
    for name, value in environment.items():
        if (
            not name.startswith(ENVIRONMENT_PREFIX)
            or name in _NO_SETTINGS
            or _SERVICE_LINK.fullmatch(f"{name}={value}")
        ):
            continue
        *tables, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        first = (tables or [key])[0]
        if first not in known:
            raise SettingsError(f"environment: {name} is no setting (there is no key {first!r})")
        if first not in mine:
            continue
        node = tree
        for table in tables:
            node = node.setdefault(table, {})
            if not isinstance(node, dict):
                raise SettingsError(f"environment: {name}: {table!r} is no table")
        node[key] = value if [*tables, key] != [_LABELS] else node.get(key, {}) | _labels(name, value)
        used.append(name)
    return used


def _labels(variable: str, text: str) -> dict[str, str]:
    try:
        return labels_of(text)
    except BadName as error:
        raise SettingsError(f"environment: {variable}: {error}") from None
