"""JSON Schemas (draft 2020-12) of everything on the wire, generated from the types that the wire is made of."""

import inspect
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, get_args, get_type_hints

import msgspec

from diagmesh.contract.answers.coordinator import Coordinator, CoordinatorQuestion
from diagmesh.contract.control import ForgetQuestion, Forgotten, LogLevel, LogLevelQuestion
from diagmesh.contract.directory import Services, ServicesQuestion
from diagmesh.contract.measures import Measure
from diagmesh.contract.mesh import MeshAnswer, MeshQuestion
from diagmesh.contract.micro import Info, Ping, Stats
from diagmesh.contract.presence import Event, Heartbeat
from diagmesh.contract.verdicts import Check, CheckQuestion
from diagmesh.contract.wire import WIRE_VERSION, Answer, Question, Reply

__all__ = ["DIALECT", "Kinds", "hoisted", "schemas"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
Kinds = Mapping[str, tuple[type[Question], type[Answer]]]
"""Per kind that agents answer: the types of its question and of its answer."""

_REF: Final = "#/$defs/{name}"
_ARGS: Final = re.compile(r"\n+Args:\n")
_ARGUMENT: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {8,}\S.*)*)", re.MULTILINE)
_OWN_WORD_ENDS: Final = "_"
"""A field that would be a keyword of Python ends so in the type (``class_``), not on the wire."""


def schemas(kinds: Kinds) -> dict[str, dict[str, Any]]:
    """Every schema by name: ``<kind>.question``, ``.answer`` and ``.reply``, the same for ``mesh.…``, and the events.

    Args:
        kinds: what the agents answer.
    """
    made = {
        "reply": _document("reply", Reply, "Any reply"),
        "heartbeat": _document("heartbeat", Heartbeat, "A heartbeat"),
        "event": _document("event", Event, "An event"),
        "srv.ping": _document("srv.ping", Ping, "Discovery: who is there"),
        "srv.info": _document("srv.info", Info, "Discovery: what it answers"),
        "srv.stats": _document("srv.stats", Stats, "Discovery: what it has answered"),
        **_answers("mesh", MeshAnswer, "many replies added up"),
        **_answers("mesh.services", Services, "the directory"),
        "mesh.services.question": _document("mesh.services.question", ServicesQuestion, "Question: the directory"),
        **_answers("mesh.check", Check, "what the rules say of the mesh"),
        "mesh.check.question": _document("mesh.check.question", CheckQuestion, "Question: judge the mesh"),
        **_answers("mesh.forget", Forgotten, "who is not expected any longer"),
        "mesh.forget.question": _document("mesh.forget.question", ForgetQuestion, "Control question: expect no longer"),
    }
    name = "control.log-level.question"
    made[name] = _document(name, LogLevelQuestion, "Control question: log more or less for a while")
    made |= _answers("control.log-level", LogLevel, "at which level a sidecar logs")
    everybody: Kinds = {**kinds, "coordinator": (CoordinatorQuestion, Coordinator)}
    for kind, (question, answer) in everybody.items():
        name = f"{kind}.question"
        made[name] = _document(name, question, f"Question: {kind} of one instance")
        made |= _answers(kind, answer, f"{kind} of one instance")
        name = f"mesh.{kind}.question"
        made[name] = _mesh_question(name, question, f"Question: {kind} of many instances, added up")
    return dict(sorted(made.items()))


def hoisted(every: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same schemas as components of one document: what several of them define alike stands there once.

    Args:
        every: of `schemas`.
    """
    definitions = {name: document.get("$defs", {}) for name, document in every.items()}
    own = _defined_differently(definitions)
    made: dict[str, dict[str, Any]] = {}
    for name, document in every.items():
        names = {one: f"{name}.{one}" if one in own else one for one in definitions[name]}
        made |= {names[one]: _renamed(schema, names) for one, schema in definitions[name].items()}
        made[name] = _renamed({key: value for key, value in document.items() if not key.startswith("$")}, names)
    return dict(sorted(made.items()))


def _defined_differently(definitions: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Names under which not everybody defines the same, and whatever refers to such a name."""
    variants: dict[str, list[Any]] = {}
    for defined in definitions.values():
        for name, schema in defined.items():
            variants.setdefault(name, []).append(schema)
    found = {name for name, given in variants.items() if any(schema != given[0] for schema in given)}
    while more := {
        name
        for name, given in variants.items()
        if name not in found and any(_refers(given[0], _REF.format(name=one)) for one in found)
    }:
        found |= more
    return found


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    if isinstance(schema, dict):
        renamed = {key: _renamed(value, names) for key, value in schema.items()}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            renamed["$ref"] = f"#/components/schemas/{names[reference.rpartition('/')[2]]}"
        return renamed
    return [_renamed(one, names) for one in schema] if isinstance(schema, list) else schema


def _answers(name: str, answer: type[Answer], what: str) -> dict[str, dict[str, Any]]:
    """The answer alone, and the reply that carries it."""
    reply = _document(f"{name}.reply", Reply, f"Reply: {what}", answer)
    # A copy: below $defs the same type stays open for any answer.
    reply["properties"] = {**reply["properties"], "answer": {"$ref": _REF.format(name=answer.__name__)}}
    reply["oneOf"] = [{"required": ["answer"]}, {"required": ["problem"]}]
    return {f"{name}.answer": _document(f"{name}.answer", answer, f"Answer: {what}"), f"{name}.reply": reply}


def _mesh_question(name: str, question: type[Question], title: str) -> dict[str, Any]:
    """What ``diag.mesh.<kind>`` takes: the selection, the common fields and those of the kind."""
    selection, own = _document(name, MeshQuestion, title), _document(name, question, title)
    selection["description"] = f"{selection.get('description', '')} {own.get('description', '')}".strip()
    selection["properties"] = {**own["properties"], **selection["properties"]}
    selection["$defs"] = {**own.get("$defs", {}), **selection.get("$defs", {})}
    return selection


def _document(name: str, root: type[msgspec.Struct], title: str, *more: type[msgspec.Struct]) -> dict[str, Any]:
    _, components = msgspec.json.schema_components([root, *more], ref_template=_REF)
    described = {key: _described(schema, types) for key, schema, types in _with_types(components, root, *more)}
    top = described.pop(root.__name__)
    if any(_refers(schema, _REF.format(name=root.__name__)) for schema in (top, *described.values())):
        described[root.__name__] = top  # a sum holds replies again, and these may be of any kind
    head = {"$schema": DIALECT, "$id": f"urn:diagmesh:v{WIRE_VERSION}:{name}"}
    document = {**head, **top, "title": title}
    if described:
        document["$defs"] = described
    return document


def _refers(schema: Any, reference: str) -> bool:
    if isinstance(schema, dict):
        return schema.get("$ref") == reference or any(_refers(part, reference) for part in schema.values())
    return isinstance(schema, list) and any(_refers(part, reference) for part in schema)


def _with_types(
    components: Mapping[str, dict[str, Any]], *roots: type[msgspec.Struct]
) -> list[tuple[str, dict[str, Any], type | None]]:
    found: dict[str, type] = {}
    for root in roots:
        _collect(root, found)
    return [(name, schema, found.get(name)) for name, schema in components.items()]


def _collect(annotation: Any, found: dict[str, type]) -> None:
    """Every struct that a type is made of, by name."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        if annotation.__name__ in found:
            return
        found[annotation.__name__] = annotation
        for part in get_type_hints(annotation, include_extras=True).values():
            _collect(part, found)
    for part in get_args(annotation):
        _collect(part, found)


def _described(schema: dict[str, Any], kind: type | None) -> dict[str, Any]:
    """The schema with what the docstrings say of the type and of each field, units of what is measured, and dates."""
    if kind is None or "properties" not in schema:
        return schema
    said, hints = _said(kind), get_type_hints(kind, include_extras=True)
    properties = {}
    for key, value in schema["properties"].items():
        own = key if key in hints else key + _OWN_WORD_ENDS
        more = {"description": said[own]} if own in said else {}
        if unit := _unit(hints[own]):
            more["x-unit"] = unit
        properties[key] = {**(_dated(value) if datetime in (hints[own], *get_args(hints[own])) else value), **more}
    head = " ".join(_ARGS.split(inspect.getdoc(kind) or "")[0].split())
    return {**schema, "description": head, "properties": properties}


def _said(kind: type) -> dict[str, str]:
    """What the docstrings of a type and of its bases say of the fields."""
    said: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        text = _ARGS.split(inspect.cleandoc(base.__doc__ or ""))
        said |= {match[1]: " ".join(match[2].split()) for match in _ARGUMENT.finditer("\n".join(text[1:]))}
    return said


def _unit(annotation: Any) -> str:
    parts = (annotation, *get_args(annotation))
    extras = [extra for part in parts for extra in getattr(part, "__metadata__", ())]
    return next((extra.unit for extra in extras if isinstance(extra, Measure)), "")


def _dated(schema: dict[str, Any]) -> dict[str, Any]:
    """Dates are RFC 3339; msgspec leaves that out."""
    if schema.get("type") == "string":
        return {**schema, "format": "date-time"}
    return {**schema, "anyOf": [_dated(one) for one in schema["anyOf"]]} if "anyOf" in schema else schema
