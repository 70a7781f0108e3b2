"""Lines of a program as those keep them who collect its output: with a time in front, or inside of JSON."""

import re
from typing import Final

import msgspec

__all__ = ["unwrapped"]

_CRI: Final = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]{5,20}(?:Z|[+-]\d\d:?\d\d)? (?:std(?:out|err) [FP] )?")
"""``kubectl logs --timestamps``, and the files of containerd and CRI-O."""
_JOURNAL: Final = re.compile(
    r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})? \S{1,255} [^\s:\[]{1,255}\[\d{1,10}\]: "
)
_DOCKER: Final = '{"log":"'


class _Docker(msgspec.Struct):
    """A line of a json-file log of Docker."""

    log: str


_docker: Final = msgspec.json.Decoder(_Docker)


def unwrapped(line: str) -> str:
    """The line as the program wrote it; any other line as it is."""
    if line[4:5] == "-" and line[10:11] == "T" and (found := _CRI.match(line)) is not None:
        return line[found.end() :]
    if line[3:4] == " " and line[:1].isupper() and (found := _JOURNAL.match(line)) is not None:
        return line[found.end() :]
    if line.startswith(_DOCKER):
        try:
            return _docker.decode(line).log.removesuffix("\n").removesuffix("\r")
        except msgspec.DecodeError:
            return line
    return line
