"""Errors as people and scripts get them: one sentence that says what to do, a problem in JSON, an exit code."""

import asyncio
import errno
from typing import Final

from cyclopts import CycloptsError, UnknownCommandError

from diagmesh.contract.wire import Problem
from diagmesh.errors import (
    BadName,
    BusError,
    CannotConnect,
    DiagmeshError,
    MessageTooLarge,
    NoAnswer,
    NoResponders,
    NotPermitted,
    Refusal,
    SettingsError,
    Unreadable,
)
from diagmesh_cli.exits import Exit

__all__ = ["UsageError", "explain"]

_REPORT: Final = "please report it; DIAGMESH_DEBUG=1 shows where it happened"
_START_ONE: Final = "start one with `diagmesh up`, or name the server with --nats URL"
_SOMEBODY_IS_THERE: Final = ("TLS", "credentials", "JWT")
"""Where a server answered and would not have us, another mesh is no help."""
_OTHER_ROLE: Final = "use the key of another role: --nkey-file FILE --inbox-prefix PREFIX"
_OTHER_INBOX: Final = "each role has an inbox of its own: give that of this one with --inbox-prefix PREFIX"
_JUDGE_HERE: Final = "no coordinator runs; judge without one: diagmesh check --direct"


class UsageError(DiagmeshError):
    """The command line asks for something that cannot be."""


def explain(error: BaseException) -> tuple[Exit, Problem]:
    """The exit code of an error, and what is told about it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    match error:
        case KeyboardInterrupt() | asyncio.CancelledError():
            told = Exit.INTERRUPTED, Problem(code=499, error="interrupted")
        case CycloptsError():
            told = Exit.USAGE, _usage(error)
        case UsageError() | SettingsError() | BadName() | MessageTooLarge():
            told = Exit.USAGE, Problem(code=400, error="usage", detail=str(error))
        case BusError():
            told = _mesh(error)
        case Refusal():
            told = Exit.UNSURE, Problem(code=error.code, error=error.error, detail=error.detail, hint=error.hint)
        case DiagmeshError():
            told = _other(error)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EFBIG):
            told = Exit.FAULT, Problem(code=507, error="cannot write", detail=str(error.strerror))
        case _:
            while isinstance(error, ImportError) and error.__cause__ is not None:
                error = error.__cause__  # a command is imported when it is called; what broke it is the news
            detail = f"{type(error).__name__}: {error}"
            told = Exit.FAULT, Problem(code=500, error="our own fault", detail=detail, hint=_REPORT)
    return told


def _usage(error: CycloptsError) -> Problem:
    detail = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, UnknownCommandError):
        detail = detail.split(" Available commands:")[0].rstrip(".")
    return Problem(code=400, error="usage", detail=detail, hint="see `diagmesh --help`")


def _other(error: DiagmeshError) -> tuple[Exit, Problem]:
    if isinstance(error, Unreadable):
        return Exit.UNSURE, Problem(code=502, error="cannot be read", detail=str(error))
    return Exit.NOBODY, Problem(code=503, error="no mesh", detail=str(error))


def _mesh(error: BusError) -> tuple[Exit, Problem]:
    if isinstance(error, CannotConnect):
        there = any(word in str(error) for word in _SOMEBODY_IS_THERE)
        return Exit.NOBODY, Problem(code=503, error="no mesh", detail=str(error), hint="" if there else _START_ONE)
    if isinstance(error, NoResponders):
        hint = _JUDGE_HERE if "diag.mesh.check" in str(error) else "see who is: diagmesh services"
        return Exit.NOBODY, Problem(code=503, error="nobody there", detail=str(error), hint=hint)
    if isinstance(error, NotPermitted):
        hint = _OTHER_INBOX if error.subject.startswith("_INBOX") else _OTHER_ROLE
        # The mesh is there, and a refusal is a reply: as that of an agent that does not know the key.
        return Exit.UNSURE, Problem(code=403, error="not permitted", detail=str(error), hint=hint)
    if isinstance(error, NoAnswer):
        hint = "wait longer with --timeout SECONDS, or see who is there: diagmesh services"
        return Exit.UNSURE, Problem(code=408, error="no answer", detail=str(error), hint=hint)
    return Exit.NOBODY, Problem(code=503, error="connection lost", detail=str(error), hint="try again")
