"""Selection by labels: the selectors of Kubernetes, as text or as a JSON object."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from diagmesh.contract.labels import LABEL_CHARACTERS, check_key, check_value
from diagmesh.contract.names import shown
from diagmesh.errors import BadName

__all__ = ["Labels", "Requirement", "fits", "requirements"]

Labels = dict[str, str | tuple[str, ...]] | str
"""How a question says it: ``{"zone": "a", "tier": ["1", "2"]}``, or ``"zone=a,tier in (1,2),!canary"``."""

MOST_REQUIREMENTS: Final = 32
MOST_VALUES: Final = 64
MOST_CHARACTERS: Final = 4096

_set: Final = re.compile(r"(?P<key>\S+)\s+(?P<word>in|notin)\s*\((?P<values>[^()]*)\)\Z")
_equal: Final = re.compile(r"(?P<key>[^=!\s]+)\s*(?P<sign>==|=|!=)\s*(?P<value>[^=!]*)\Z")
_FORMS: Final = "key=value, key!=value, key in (a,b), key notin (a,b), key, !key"


class Requirement(NamedTuple):
    """One thing that the labels of an instance must fulfil.

    Args:
        key: of the label.
        values: one of these; empty: any value, it only has to be there.
        negated: the contrary must hold; who has no such label fulfils that too, as in Kubernetes.
    """

    key: str
    values: tuple[str, ...] = ()
    negated: bool = False

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether an instance with these labels fulfils it."""
        value = labels.get(self.key)
        return (value is not None and (not self.values or value in self.values)) is not self.negated

    def __str__(self) -> str:
        """As a selector writes it."""
        if not self.values:
            return f"{'!' * self.negated}{self.key}"
        if len(self.values) == 1:
            return f"{self.key}{'!=' if self.negated else '='}{self.values[0]}"
        return f"{self.key} {'notin' if self.negated else 'in'} ({','.join(self.values)})"


def requirements(labels: Labels) -> tuple[Requirement, ...]:
    """What a selection asks for; all of it must hold, and nothing selects everybody.

    Raises:
        BadName: that is no selector; it names the part.
    """
    if isinstance(labels, str):
        if len(labels) > MOST_CHARACTERS:
            raise BadName(f"a selector of {len(labels)} characters: {MOST_CHARACTERS} at most")
        parts = _parts(labels)
        _bounded(len(parts), MOST_REQUIREMENTS, "requirements")
        return tuple(_of_text(part) for part in parts)
    _bounded(len(labels), MOST_REQUIREMENTS, "requirements")
    return tuple(_made(key, (value,) if isinstance(value, str) else value) for key, value in labels.items())


def fits(asked: Sequence[Requirement], labels: Mapping[str, str]) -> bool:
    """Whether an instance with these labels is meant."""
    return all(one.fits(labels) for one in asked)


def _parts(text: str) -> list[str]:
    """What stands between commas outside of parentheses."""
    parts, start, inside = list[str](), 0, False
    for at, character in enumerate(text):
        inside = character == "(" or (inside and character != ")")
        if character == "," and not inside:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()] if text.strip() else []


def _of_text(part: str) -> Requirement:
    if found := _set.match(part):
        values = tuple(value.strip() for value in found["values"].split(","))
        return _made(found["key"], values, negated=found["word"] == "notin")
    if found := _equal.match(part):
        return _made(found["key"], (found["value"].strip(),), negated=found["sign"] == "!=")
    key = part.removeprefix("!").strip()
    try:
        return Requirement(check_key(key), negated=part.startswith("!"))
    except BadName:
        said = shown(part, LABEL_CHARACTERS + 1)
        raise BadName(f"{said!r} selects by no label: write {_FORMS}") from None


def _made(key: str, values: Sequence[str], *, negated: bool = False) -> Requirement:
    check_key(key)
    if not values:
        raise BadName(f"label {key!r}: no value is given, so nobody can have one of them")
    _bounded(len(values), MOST_VALUES, f"values of {key!r}")
    return Requirement(key, tuple(dict.fromkeys(check_value(key, value) for value in values)), negated)


def _bounded(count: int, most: int, what: str) -> None:
    if count > most:
        raise BadName(f"{count} {what}: {most} at most")
