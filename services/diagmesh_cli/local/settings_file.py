"""Settings structs written as the TOML that our processes read."""

import json
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["toml_of", "write_settings"]


def write_settings(path: Path, settings: msgspec.Struct) -> Path:
    """Write a settings file that `diagmesh.settings.load` reads back as the same settings."""
    path.write_text(toml_of(settings), encoding="utf-8")
    return path


def toml_of(settings: msgspec.Struct, *, brief: bool = False) -> str:
    """One line per top-level key; tables below it stand in line. ``brief`` leaves out what is the default anyway."""
    tree = _without_defaults(settings) if brief else msgspec.to_builtins(settings)
    return "".join(f"{key} = {_value(value)}\n" for key, value in tree.items() if value is not None)


def _without_defaults(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_without_defaults(one) for one in value]
    if not isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    told = ((field, getattr(value, field.name)) for field in msgspec.structs.fields(value))
    return {field.encode_name: _without_defaults(one) for field, one in told if one != _default(field)}


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _value(value: Any) -> str:
    match value:
        case dict():
            inner = ", ".join(f"{_value(key)} = {_value(one)}" for key, one in value.items() if one is not None)
            return f"{{ {inner} }}" if inner else "{}"
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case str():
            # A basic string of TOML is a JSON string, except that it knows no surrogate pairs.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return json.dumps(value)
