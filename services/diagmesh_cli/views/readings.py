"""What was read from files: each under its name, problems in their place."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from rich.console import RenderableType
from rich.text import Text

from diagmesh_cli.output import sentence
from diagmesh_cli.reading import FileRead

__all__ = ["file_part"]

T = TypeVar("T")


def file_part(read: FileRead[T], of: int, page: Callable[[T], RenderableType]) -> Iterator[RenderableType]:
    """One file.

    Args:
        read: what became of it.
        of: how many files there are; a single one needs no heading.
        page: shows its answer.
    """
    if of > 1:
        yield Text(read.file, "bold")
    if read.problem is not None:
        yield Text(sentence(read.problem), "red")
    elif read.answer is not None:
        yield page(read.answer)
