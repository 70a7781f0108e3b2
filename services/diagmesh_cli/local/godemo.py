"""The Go demo of the source tree, built with the toolchain of this machine and kept in the user's cache."""

import asyncio
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from diagmesh.errors import DiagmeshError
from diagmesh_cli.local.cache import cache_root, content_key, making
from diagmesh_cli.local.children import Family

__all__ = ["SOURCE", "GoPrograms", "NoGoDemo", "build"]

SOURCE: Final = Path(__file__).resolve().parents[3] / "deploy" / "demo"
_WHAT: Final = "./cmd/..."
_BUILD_S: Final = 300.0
_USUAL_PLACES: Final = ("/usr/local/go/bin/go", "/usr/lib/go/bin/go", "/opt/homebrew/bin/go")
# Ours is the toolchain that is here (no other is downloaded), for this module alone.
_ENVIRONMENT: Final = {"GOTOOLCHAIN": "local", "GOWORK": "off"}
_REASON_LENGTH: Final = 300


class NoGoDemo(DiagmeshError):
    """The Go demo is not to be had here; the reason in one line."""


class GoPrograms(NamedTuple):
    """The folder with ``orders``, ``payments``, ``inventory`` and ``load``, and what they were built with."""

    folder: Path
    version: str


async def build(family: Family, tell: Callable[[str], None], source: Path = SOURCE) -> GoPrograms:
    """The programs, built unless that was done before. One process builds at a time, the others wait for it.

    Args:
        family: the compiler is one of its children, so that it ends with them.
        tell: is told when something is built, for that takes a while.
        source: the Go module.

    Raises:
        NoGoDemo: no sources, no toolchain, one that is too old, or it could not be built.
    """
    module = source / "go.mod"
    if not module.is_file():
        raise NoGoDemo("its sources, deploy/demo, come with the source tree only")
    go = _find()
    try:
        async with asyncio.timeout(_BUILD_S):
            said = await _go(family, [go, "version"])
            version = _fitting(said, module.read_text(encoding="utf-8"))
            folder = cache_root() / "go" / f"demo-{content_key(said, _WHAT, folder=source)}"
            if not folder.is_dir():
                tell(f"building the Go demo with {version}: about a minute, and only this once")
                await _make(family, go, source, folder)
    except TimeoutError:
        raise NoGoDemo(f"it was not built within {_BUILD_S:g} s") from None
    except OSError as error:
        raise NoGoDemo(f"it cannot be built into {cache_root()}: {error.strerror}") from None
    return GoPrograms(folder, version)


async def _make(family: Family, go: str, source: Path, folder: Path) -> None:
    async with making(folder) as fresh:
        if fresh is not None:
            await _go(family, [go, "-C", str(source), "mod", "download"])
            await _go(family, [go, "-C", str(source), "build", "-trimpath", "-o", f"{fresh}{os.sep}", _WHAT])


def _find() -> str:
    for candidate in (shutil.which("go"), *_USUAL_PLACES):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    raise NoGoDemo("there is no Go toolchain, neither on PATH nor in its usual places")


def _fitting(said: str, module: str) -> str:
    """The version of the toolchain, if it is not older than the module asks for."""
    here, asked = re.search(r"\bgo(\d+)\.(\d+)\S*", said), re.search(r"^go (\d+)\.(\d+)", module, re.MULTILINE)
    if here is None or asked is None:
        raise NoGoDemo(f"of which version the Go toolchain is cannot be told: {said[:_REASON_LENGTH]}")
    if tuple(map(int, here.groups())) < tuple(map(int, asked.groups())):
        raise NoGoDemo(f"{here[0]} is too old, it needs go{asked[1]}.{asked[2]}")
    return here[0]


async def _go(family: Family, command: list[str]) -> str:
    """What a command of the toolchain says; it runs as a child of the family, and ends when nobody waits any more."""
    child = await family.run("go", command, _ENVIRONMENT)
    said = " ".join(child.log.read_text(encoding="utf-8", errors="replace").split())
    child.log.unlink()
    if child.returncode:
        verb = next(word for word in command if word in {"version", "mod", "build"})
        raise NoGoDemo(f"`go {verb}` failed: {said[-_REASON_LENGTH:]}")
    return said
