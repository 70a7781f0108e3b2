"""The index of ``net/http/pprof``: which profiles there are, and how many goroutines, which costs next to nothing."""

import re
from typing import Any, Final

__all__ = ["fields_of_index"]

_ROW: Final = re.compile(rb"<td>(\d{1,12})</td>\s*<td>\s*<a href='?\"?([\w./%-]{1,100})\?debug=1'?\"?")
_PROFILES_MOST: Final = 64
_COUNTS: Final = {"goroutine": "goroutines", "threadcreate": "threads_created"}
"""What the numbers before these profiles are (net/http/pprof.Index: ``Profile.Count``)."""


def fields_of_index(body: bytes) -> dict[str, Any]:
    """The fields of a `GoLook` that the index tells; none where it has another form than we know."""
    fields: dict[str, Any] = {}
    profiles = []
    for count, name in _ROW.findall(body)[:_PROFILES_MOST]:
        profile = name.decode()
        profiles.append(profile)
        if profile in _COUNTS:
            fields[_COUNTS[profile]] = int(count)
    if profiles:
        fields["profiles"] = tuple(profiles)
    return fields
