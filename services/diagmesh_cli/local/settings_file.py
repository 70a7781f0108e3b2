"""Settings structs written as the TOML that our processes read, as people write it: a line per key, then the tables."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

__all__ = ["toml_of", "write_settings"]

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
_ALWAYS: Final = ("url",)
"""Whoever reads the file wants to see where it goes, and to change it."""


def write_settings(path: Path, settings: msgspec.Struct) -> Path:
    """Write a settings file that `diagmesh.settings.load` reads back as the same settings."""
    path.write_text(toml_of(settings), encoding="utf-8")
    return path


def toml_of(settings: msgspec.Struct, *, brief: bool = False) -> str:
    """The settings as a file; ``brief`` leaves out what is the default anyway, but for the servers of a connection."""
    tree = _without_defaults(settings) if brief else msgspec.to_builtins(settings)
    return "\n".join("".join(f"{line}\n" for line in lines) for lines in _tables("", tree, "") if lines)


def _without_defaults(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_without_defaults(one) for one in value]
    if not isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    told = ((field, getattr(value, field.name)) for field in msgspec.structs.fields(value))
    return {
        field.encode_name: _without_defaults(one)
        for field, one in told
        if field.name in _ALWAYS or one != _default(field)
    }


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _tables(header: str, tree: dict[str, Any], path: str) -> Iterator[list[str]]:
    """One table and what is below it, each as its lines; what has no table of its own must come first."""
    below = {key: value for key, value in tree.items() if _is_table(value) or _are_tables(value)}
    lines = [header] if header else []
    lines += [f"{_key(key)} = {_value(one)}" for key, one in tree.items() if key not in below and one is not None]
    yield lines
    for key, value in below.items():
        inner = f"{path}{_key(key)}"
        if isinstance(value, dict):
            yield from _tables(f"[{inner}]", value, f"{inner}.")
        else:
            for one in value:
                yield from _tables(f"[[{inner}]]", one, f"{inner}.")


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _are_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, dict) for one in value)


def _key(key: str) -> str:
    return key if _BARE.match(key) else _value(key)


def _value(value: Any) -> str:
    match value:
        case dict():
            return "{}"  # whatever holds something is a table
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case str():
            # A basic string of TOML is a JSON string, except that it knows no surrogate pairs.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return json.dumps(value)
