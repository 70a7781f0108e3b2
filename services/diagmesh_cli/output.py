"""Where results, errors and progress go: results to standard output, all else to standard error."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import orjson
from rich.console import RenderableType
from rich.text import Text

from diagmesh.contract.wire import Problem
from diagmesh_cli.options import Shown
from diagmesh_cli.terminal import Terminal

__all__ = ["Output", "as_json", "debugging", "sentence"]

_PATIENCE_S: Final = 0.5


class Output:
    """The two streams of one command.

    Args:
        json: standard output carries JSON only.
        no_color: no colour, whatever the terminal can do.
    """

    def __init__(self, *, json: bool = False, no_color: bool = False) -> None:
        self.json = json
        self.out = Terminal(no_color=no_color or None)
        self.err = Terminal(no_color=no_color or None, stderr=True)

    @classmethod
    def of(cls, shown: Shown) -> "Output":
        """As the options of the command say."""
        return cls(json=shown.json, no_color=shown.no_color)

    def show(self, report: Any, view: RenderableType, *, wrap: bool = True) -> None:
        """Print a result: the report as JSON, or its view; ``wrap=False`` keeps lines whole that will be copied."""
        if self.json:
            self.print_json(report)
        else:
            self.out.print(view, soft_wrap=not wrap)

    def print_json(self, report: Any, *, line: bool = False, indent: bool = False) -> None:
        """One JSON document: indented for people (or always), one line for programs, or for one of many (``line``)."""
        try:
            sys.stdout.buffer.write(as_json(report, indent=indent or (self.out.is_terminal and not line)) + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            self.out.on_broken_pipe()

    def fail(self, problem: Problem) -> None:
        """Say in one sentence what is wrong and what to do about it, where that can still be written."""
        if self.json:
            with contextlib.suppress(OSError):
                self.print_json({"error": problem})
        with contextlib.suppress(OSError):
            self.err.print(f"diagmesh: {sentence(problem)}", style="red", soft_wrap=True)

    def note(self, text: str) -> None:
        """Something worth knowing that is no result."""
        self.err.print(text, style="dim", soft_wrap=True)

    @asynccontextmanager
    async def waiting(self, what: str) -> AsyncIterator[Callable[[str], None]]:
        """Say on standard error what is awaited, when it takes longer than half a second and is a terminal.

        What is given says how far it has come.
        """
        if not self.err.is_terminal:
            yield lambda _: None
            return
        spinner = self.err.status(Text(f"{what} …", "dim"))
        timer = asyncio.get_running_loop().call_later(_PATIENCE_S, spinner.start)
        try:
            yield lambda said: spinner.update(Text(f"{what}: {said} …", "dim"))
        finally:
            timer.cancel()
            spinner.stop()


def as_json(report: Any, *, indent: bool = False) -> bytes:
    """Any wire struct, or a plain tree with wire structs in it, as JSON."""
    tree = orjson.loads(msgspec.json.encode(report))
    return orjson.dumps(tree, option=orjson.OPT_INDENT_2 if indent else None)


def sentence(problem: Problem) -> str:
    """A problem in one sentence."""
    said = problem.detail or problem.error
    if problem.detail and problem.error not in problem.detail and problem.error != "usage":
        said = f"{problem.error}: {problem.detail}"
    return f"{said}; {problem.hint}" if problem.hint else said


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get("DIAGMESH_DEBUG", "") not in ("", "0")
