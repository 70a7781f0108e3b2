"""Whether every reader can hold an answer: one that not all can hold would spoil every sum that hands it on."""

import math
import re
from typing import Final

__all__ = ["MOST_NESTED", "flaw_of"]

MOST_NESTED: Final = 100
"""Levels of arrays and objects in an answer; readers give up from some 900 on, and a sum adds a few."""
_TOO_DEEP: Final = f"its answer is nested deeper than {MOST_NESTED} levels"
_TOO_LARGE: Final = "its answer has a number beyond 64 bits"

_alike: Final = bytes.maketrans(b"{}123456789+E", b"[]0000000000e")
_long: Final = b"0" * 19
_brackets: Final = bytes.maketrans(b"{}", b"[]")
_no_brackets: Final = bytes(set(range(256)) - {*b"[]{}"})
_strings: Final = re.compile(rb'"[^"]*"')
_odd_numbers: Final = re.compile(
    rb"(?<![\d.])(?:-?\d+(?:\.\d+)?[eE]\+?\d{3,}|(?:-\d{19,}|\d{20,})(?:\.\d+)?(?:[eE][+-]?\d+)?)"
)
_MOST_ODD: Final = 10_000
"""Numbers of an answer that are looked at closely; whoever has more of them means no good."""
_MOST: Final = 2**64 - 1
_LEAST: Final = -(2**63)
_LONGEST_INTEGER: Final = len(str(_LEAST))


def flaw_of(answer: bytes) -> str:
    """Why this JSON cannot be held by everybody: too deep, or a number beyond 64 bits; empty when it can.

    Nearly every answer costs one pass over its bytes; only what could be odd is looked at closely.
    """
    shape = answer.translate(_alike)
    deep = shape.count(b"[") > MOST_NESTED
    if not (deep or _long in shape or b"e000" in shape):
        return ""
    bare = _strings.sub(b"", answer.replace(b"\\\\", b"").replace(b'\\"', b""))
    if deep and _is_too_deep(bare):
        return _TOO_DEEP
    for count, found in enumerate(_odd_numbers.finditer(bare)):
        if count >= _MOST_ODD or _is_too_large(found[0]):
            return _TOO_LARGE
    return ""


def _is_too_deep(bare: bytes) -> bool:
    """Take out one level after the other from within."""
    shape = bare.translate(_brackets, _no_brackets)
    for _ in range(MOST_NESTED):
        if not shape:
            return False
        shape = shape.replace(b"[]", b"")
    return bool(shape)


def _is_too_large(number: bytes) -> bool:
    if set(number) & {*b".eE"}:
        return math.isinf(float(number))
    return len(number) > _LONGEST_INTEGER or not _LEAST <= int(number) <= _MOST
