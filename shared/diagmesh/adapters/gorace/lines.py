"""Lines of logs as the program wrote them: out of the JSON of docker, journald and ``go test``, behind any prefix."""

import re
from datetime import datetime
from typing import Final, NamedTuple

from diagmesh.adapters.godump import wrapped_of

__all__ = ["Line", "Prefix", "line_of", "moment"]

_COMPOSE: Final = re.compile(r"([\w.-]{1,64}) {1,64}\| ")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)")
_DIGITS: Final = re.compile(r"\d+")
_LONGEST_PREFIX: Final = 256


class Line(NamedTuple):
    """One line.

    Args:
        text: without what was laid around it, and without its end.
        key: whose line it is, where one log holds those of several; else empty.
        at: when it was written, where that is known without looking into the text.
        test: the test of Go during which it came.
    """

    text: str
    key: str = ""
    at: datetime | None = None
    test: str = ""


def line_of(raw: bytes) -> Line:
    """What stands in a line, whatever it is wrapped in; never raises."""
    wrapped = wrapped_of(raw) if raw.startswith(b"{") else None
    if wrapped is not None and (mine := wrapped.text) is not None:
        test = f"{wrapped.Package}.{wrapped.Test}" if wrapped.Test else ""
        return Line(mine, wrapped.Package or wrapped.stream, moment(wrapped.time or wrapped.Time), test)
    text = raw.decode("utf-8", "replace").rstrip("\r")
    found = _COMPOSE.match(text)
    return Line(text, found[1] if found else "")


def moment(text: str) -> datetime | None:
    """The first moment with a zone that stands in a text (RFC 3339)."""
    found = _MOMENT.search(text)
    if found is None:
        return None
    try:
        return datetime.fromisoformat(found[0])
    except ValueError:  # a thirteenth month
        return None


class Prefix:
    """What stands before each line of a report (a time stamp, a name): alike on all of them but for its digits.

    Args:
        text: what stood before its first line.
    """

    def __init__(self, text: str) -> None:
        kept = text if len(text) <= _LONGEST_PREFIX else ""
        # Digits and what is between them take turns, so that there is one way to match and no going back.
        self._pattern = re.compile(r"\d+".join(re.escape(part) for part in _DIGITS.split(kept))) if kept else None
        self.at = moment(kept)

    def without(self, text: str) -> str | None:
        """The rest of a line that begins like this; None when it does not."""
        if self._pattern is None:
            return text
        found = self._pattern.match(text)
        return text[found.end() :] if found else None
