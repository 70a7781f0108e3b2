"""How the CLI ends: one number that scripts can trust."""

from enum import IntEnum
from typing import Final

__all__ = ["EXITS_HELP", "Exit"]


class Exit(IntEnum):
    """The exit codes (product.md, "The wire")."""

    WELL = 0
    FINDINGS = 1
    UNSURE = 2
    NOBODY = 3
    USAGE = 64
    FAULT = 70
    INTERRUPTED = 130


EXITS_HELP: Final = """\
Exit codes:
  0    all well
  1    findings of warning or worse
  2    someone silent or not judged, or the reply is a problem (wins over 1)
  3    nobody there, or the mesh cannot be reached
  64   usage
  70   our own fault
  130  interrupted
sidecar -- COMMAND ends with the code of the command.\
"""
