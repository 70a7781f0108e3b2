"""Whether a source tree can be run with ``-race`` here: Go, a C compiler, a module."""

import asyncio
import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from diagmesh.errors import DiagmeshError
from diagmesh_cli.local.children import Family
from diagmesh_cli.racerun.output import collected
from diagmesh_cli.trouble import UsageError

__all__ = ["CannotRun", "Toolchain", "find_toolchain"]

_USUAL_PLACES: Final = ("/usr/local/go/bin/go", "/usr/lib/go/bin/go", "/opt/homebrew/bin/go")
_ASKED: Final = ("GOVERSION", "GOMOD", "CC", "CGO_ENABLED")
_NO_MODULE: Final = frozenset({"", os.devnull})
_REASON_CHARACTERS: Final = 500
_PATIENCE_S: Final = 120.0  # it may fetch the toolchain that the module asks for


class CannotRun(DiagmeshError):
    """This machine cannot run Go code under the race detector; the message says what is missing.

    Args:
        error: what is missing, in two words.
        detail: the same in a sentence.
        hint: what to do.
    """

    def __init__(self, error: str, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.error, self.detail, self.hint = error, detail, hint


class Toolchain(NamedTuple):
    """What runs the code.

    Args:
        go: path of the command.
        version: of Go (``go1.26.8``).
        module: path of ``go.mod``.
        environment: what its commands need beside that of the user.
    """

    go: str
    version: str
    module: str
    environment: Mapping[str, str]


class _Env(msgspec.Struct):
    GOVERSION: str = ""
    GOMOD: str = ""
    CC: str = ""
    CGO_ENABLED: str = ""


async def find_toolchain(family: Family, directory: Path) -> Toolchain:
    """The toolchain for a source tree.

    Args:
        family: whose child it is asked as; what Go builds on the way lies in its directory.
        directory: in the source tree.

    Raises:
        CannotRun: no Go, or no C compiler, which ``-race`` needs.
        UsageError: there is no Go module.
    """
    go = next((one for one in (shutil.which("go"), *_USUAL_PLACES) if one and os.access(one, os.X_OK)), None)
    if go is None:
        raise CannotRun(
            "no Go",
            "there is no Go toolchain, neither on PATH nor in its usual places",
            "install it: https://go.dev/dl",
        )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            process = await family.piped([go, "env", "-json", *_ASKED], directory)
            said, trouble = await collected(process)
    except TimeoutError:
        raise CannotRun("no Go", f"`go env` did not end within {_PATIENCE_S:g} s") from None
    except OSError as error:
        raise CannotRun("no Go", f"{go} cannot be started in {directory}: {error.strerror}") from None
    try:
        told = msgspec.json.decode(said, type=_Env)
    except msgspec.DecodeError:
        words = " ".join(trouble.decode("utf-8", "replace").split())[-_REASON_CHARACTERS:]
        raise CannotRun("no Go", f"`go env` failed: {words or f'exit code {process.returncode}'}") from None
    if told.GOMOD in _NO_MODULE:
        raise UsageError(f"--run {directory}: there is no Go module (go.mod), neither there nor above it")
    _check_compiler(told.CC)
    mine = {"CGO_ENABLED": "1", "GOTMPDIR": str(family.directory), "TMPDIR": str(family.directory)}
    return Toolchain(go, told.GOVERSION, told.GOMOD, mine | _reporting())


def _check_compiler(named: str) -> None:
    try:
        words = shlex.split(named)
    except ValueError:
        words = [named]
    if not words or shutil.which(words[0]) is None:
        raise CannotRun(
            "no C compiler",
            f"-race needs a C compiler, and {words[0] if words else 'cc'} is not here",
            "Debian, Ubuntu: apt install gcc libc6-dev; or name another one with CC=…",
        )


def _reporting() -> dict[str, str]:
    """Reports come where we read, each of them, whatever the user has set for his own runs."""
    ours = ("log_path", "halt_on_error", "exitcode")
    kept = [word for word in os.environ.get("GORACE", "").split() if word.partition("=")[0] not in ours]
    return {"GORACE": " ".join([*kept, "halt_on_error=0"])}
