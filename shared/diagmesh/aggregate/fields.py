"""The fields that an answer type declares as aggregatable (`Measure`, `Ranked`), and how answers are read for them."""

import types
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Final, NamedTuple, Union, get_args, get_origin

import msgspec

from diagmesh.contract.measures import Measure, Ranked
from diagmesh.contract.wire import Answer

__all__ = ["Declared", "Measured", "Value", "measured"]

_DEEPEST: Final = 8

Value = float | str | None
"""What is read of a declared field: a number, a verdict, or that the instance did not see it."""


class Declared(NamedTuple):
    """One declared field: its dotted path on the wire, and what it is."""

    path: str
    mark: Measure | Ranked


class Measured:
    """Reads the declared fields of one answer type, and nothing else: the rest of an answer is skipped, not decoded.

    So a reply of a newer version is still added up as far as its declared fields are what they were.
    """

    def __init__(self, answer: type[Answer]) -> None:
        declared: list[Declared] = []
        slim = _slim(answer, "", declared, ())
        self.fields: tuple[Declared, ...] = tuple(declared)
        self._decoder: msgspec.json.Decoder[Any] | None = msgspec.json.Decoder(slim) if slim is not None else None
        self._paths = [tuple(field.path.split(".")) for field in declared]
        self._flat = all(len(path) == 1 for path in self._paths)

    def read(self, answer: msgspec.Raw) -> Sequence[Value]:
        """The values of one answer; see `read_all`."""
        return self.read_all([answer])[0]

    def read_all(self, answers: Sequence[msgspec.Raw]) -> list[Sequence[Value]]:
        """The values of all declared fields of each answer, in their order; None where the instance did not see one.

        Raises:
            msgspec.DecodeError: in one of them a declared field is not of its type; the message names the path.
            RecursionError: one of them is nested too deeply.
            UnicodeDecodeError: one of them is no text.
        """
        if self._decoder is None:
            return [()] * len(answers)
        decode = self._decoder.decode
        if self._flat:
            return [msgspec.structs.astuple(decode(answer)) for answer in answers]
        return [self._deep(decode(answer)) for answer in answers]

    def _deep(self, root: object) -> Sequence[Value]:
        values: list[Value] = []
        for path in self._paths:
            node: Any = root
            for name in path:
                node = getattr(node, name, None)
            values.append(node)
        return values


@cache
def measured(answer: type[Answer]) -> Measured:
    """What is aggregatable in an answer type; its hints are walked once."""
    return Measured(answer)


def _slim(struct: type[msgspec.Struct], above: str, found: list[Declared], open_: tuple[type, ...]) -> type | None:
    """A type with nothing but the declared fields of ``struct``; None when it declares none."""
    if struct in open_ or len(open_) >= _DEEPEST:
        return None
    chosen: list[tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(struct):
        path = above + field.encode_name
        if (mark := _mark(field.type)) is not None:
            found.append(Declared(path, mark))
            kind = float | None if isinstance(mark, Measure) else str | None
            chosen.append((field.encode_name, kind, None))
        elif (nested := _struct(field.type)) is not None:
            below = _slim(nested, f"{path}.", found, (*open_, struct))
            if below is not None:
                chosen.append((field.encode_name, below | None, None))
    return msgspec.defstruct(f"{struct.__name__}Measured", chosen, gc=False) if chosen else None


def _mark(hint: Any) -> Measure | Ranked | None:
    if get_origin(hint) is Annotated:
        _, *marks = get_args(hint)
        return next((mark for mark in marks if isinstance(mark, Measure | Ranked)), None)
    if get_origin(hint) in (Union, types.UnionType):
        return next((mark for part in get_args(hint) if (mark := _mark(part)) is not None), None)
    return None


def _struct(hint: Any) -> type[msgspec.Struct] | None:
    if get_origin(hint) is Annotated:
        return _struct(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return next((struct for part in get_args(hint) if (struct := _struct(part)) is not None), None)
    return hint if isinstance(hint, type) and issubclass(hint, msgspec.Struct) else None
