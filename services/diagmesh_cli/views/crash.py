"""A crash: what ended the program, where, and what came before."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from diagmesh.contract.answers.crash import Crash, CrashKind
from diagmesh_cli.views.parts import indented, more_line
from diagmesh_cli.views.stacks import folded, frame_line, place, short
from diagmesh_cli.views.words import plural

__all__ = ["crash_lines", "crash_page"]

_MOST_SHOWN: Final = 20
_MOST_LINES: Final = 6


def crash_page(crashes: Sequence[Crash]) -> RenderableType:
    """Every crash of a file, the first ones in full."""
    parts: list[RenderableType] = []
    for position, one in enumerate(crashes[:_MOST_SHOWN]):
        parts += [Text()] if position else []
        parts += crash_lines(one)
    if len(crashes) > _MOST_SHOWN:
        parts.append(more_line(len(crashes) - _MOST_SHOWN))
    return Group(*parts)


def crash_lines(crash: Crash) -> Iterator[RenderableType]:
    """One crash."""
    words = crash.message.splitlines() or [""]
    mild = crash.recovered or crash.kind is CrashKind.GOROUTINE_DUMP
    yield Text.assemble((crash.kind.value, "yellow" if mild else "bold red"), "  ", words[0])
    yield from (Text(f"  {line}") for line in words[1:_MOST_LINES])
    if len(words) > _MOST_LINES:
        yield Text(f"  … {plural(len(words) - _MOST_LINES, 'line')} (--json shows all)", "dim")
    if crash.at is not None:
        yield Text.assemble("  at ", (short(crash.at.function), "bold"), f"  {place(crash.at)}")
    for cause in crash.causes:
        again = ", recovered and panicked again" if cause.repanicked else ", recovered" if cause.recovered else ""
        yield Text(f"  after panic: {cause.message.splitlines()[0] if cause.message else ''}{again}", "dim")
    yield from _facts(crash)
    if crash.goroutine is not None:
        yield Text(f"  goroutine {crash.goroutine} ({crash.state})", "dim")
        yield from folded(crash.frames, 4)
        if crash.elided_frames > 0:
            yield Text(f"    … {plural(crash.elided_frames, 'frame')} that Go left out", "dim")
    if crash.created_by is not None:
        yield Text("  started by", "dim").append_text(frame_line(crash.created_by, 1))
    if crash.goroutines > 1:
        states = ", ".join(f"{count:,} {state}" for state, count in crash.states.items())
        yield indented(Text(f"{plural(crash.goroutines, 'goroutine')}: {states}", "dim"))
    if crash.cut:
        yield Text(f"  not whole: {crash.cut}", "yellow")


def _facts(crash: Crash) -> Iterator[Text]:
    if crash.recovered:
        yield Text("  net/http caught it; the program went on", "dim")
    if crash.signal and crash.kind is not CrashKind.GOROUTINE_DUMP:
        touched = f" at address {crash.fault_address}" if crash.fault_address else ""
        yield Text(f"  signal {crash.signal}{touched}", "dim")
    yield from (Text(f"  runtime: {note}", "dim") for note in crash.notes)
