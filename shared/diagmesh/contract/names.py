"""Names that may stand in a subject: services, instances and kinds."""

import re
from typing import Final

from diagmesh.errors import BadName

__all__ = ["NAME_PATTERN", "RESERVED", "check_token", "legalise", "shown"]

NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"
RESERVED: Final = frozenset({"all", "mesh"})
"""Tokens with a meaning of their own: every instance, and the mesh as a whole."""

# \Z, not $: a trailing newline would otherwise pass and break the protocol line.
_token = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_illegal = re.compile(r"[^a-z0-9-]+")


def check_token(value: str, what: str, *, reserved_ok: bool = False) -> str:
    """Return ``value`` if it is a legal token, else raise `BadName` saying what is wrong with it.

    Args:
        value: the name to check.
        what: what it names, for the message (``service``, ``instance``, ``kind``).
        reserved_ok: whether ``all`` and ``mesh`` are allowed here.
    """
    if not _token.match(value):
        proposal = f" (try {legalise(value)!r})" if _illegal.sub("", value.lower()).strip("-") else ""
        raise BadName(
            f"{what} {value!r} is no legal name: lower-case letters, digits and '-', at most 63,"
            f" not starting with '-'{proposal}"
        )
    if not reserved_ok and value in RESERVED:
        raise BadName(f"{what} {value!r} is reserved; choose another name")
    return value


def legalise(raw: str) -> str:
    """Make a legal token of any text, for default names only (a pod or host name); dots become dashes."""
    token = _illegal.sub("-", raw.lower()).strip("-")[:63].rstrip("-")
    if not token:
        return "unnamed"
    return f"{token[:60]}-1" if token in RESERVED else token


def shown(text: str, most: int = 300) -> str:
    """Any text of others as it may be shown: cut to ``most`` characters, in one line, steering no terminal."""
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    if cut.isprintable():
        return cut
    return "".join(one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in cut)
