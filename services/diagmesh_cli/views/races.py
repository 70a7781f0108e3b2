"""`races`: each race once, with both stacks, where the goroutines were made, how often and where it was seen."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from diagmesh.contract.answers.races import Access, Creation, Detector, Race, Races, RaceSource
from diagmesh.contract.answers.stacks import Frame
from diagmesh_cli.views.parts import blind_lines, bounded, indented
from diagmesh_cli.views.stacks import folded, place, short
from diagmesh_cli.views.view import Cell, View
from diagmesh_cli.views.words import MISSING, ago, amount, plural, size

__all__ = ["VIEW"]

_MOST_FRAMES: Final = 4
_MOST_CREATED: Final = 3
_NO_STACK: Final = "the stack could not be restored"
_DETECTORS: Final = {
    Detector.ON: "",
    Detector.OFF: "; the program that runs now was not built with -race",
    Detector.UNKNOWN: "",
}


def _page(answer: Races) -> RenderableType:
    parts: list[RenderableType] = [_headline(answer)]
    parts += [Text(_source(one), "dim") for one in answer.sources]
    parts += bounded(answer.races, _race)
    if answer.left_out:
        parts.append(Text(f"… and {plural(answer.left_out, 'race')} more that the answer leaves out", "dim"))
    if answer.unsorted:
        parts.append(Text(f"{plural(answer.unsorted, 'report')} of further races, not told apart", "dim"))
    if answer.cut:
        parts.append(Text(f"{plural(answer.cut, 'report')} cut or damaged, and not counted", "yellow"))
    return Group(*parts, *blind_lines(answer.blind))


def _headline(answer: Races) -> Text:
    if not answer.reports:
        return Text.assemble(("no data race was reported", "green"), _DETECTORS[answer.detector])
    found = f"{plural(answer.distinct, 'data race')} in {plural(answer.reports, 'report')}"
    return Text.assemble((found, "bold red"), _DETECTORS[answer.detector])


def _source(one: RaceSource) -> str:
    files = f" ({plural(one.files, 'file')})" if one.files > 1 else ""
    missed = f", {size(one.missed_bytes)} went by unread" if one.missed_bytes else ""
    return f"{one.kind} {one.where}{files}: {size(one.read_bytes)} read{missed}"


def _race(race: Race) -> Iterator[RenderableType]:
    yield Text()
    yield Text.assemble((f"race {race.id}", "bold"), (f"  {_when(race)}", "dim"))
    for access in race.accesses:
        yield indented(_heading(access))
        yield from _stack(access.frames, access.frames_left_out)
    for made in race.created[:_MOST_CREATED]:
        yield indented(Text(f"{made.of} {f'({made.state}) ' if made.state else ''}was made at"))
        yield from _stack(made.frames, made.frames_left_out)
    if len(race.created) > _MOST_CREATED:
        yield indented(Text(f"… and {len(race.created) - _MOST_CREATED} more (--json)", "dim"))
    if race.instances:
        where = "; ".join(f"{name}: {count:,}" for name, count in race.instances.items())
        yield indented(Text(f"reports at {where}", "dim"))
    if race.tests:
        yield indented(Text(f"in {', '.join(race.tests)}", "dim"))


def _when(race: Race) -> str:
    said = [plural(race.count, "report")]
    if race.first_seen is not None and race.first_seen != race.last_seen:
        said.append(f"first {ago(race.first_seen)}")
    if race.last_seen is not None:
        said.append(f"last {ago(race.last_seen)}")
    return ", ".join(said)


def _heading(access: Access) -> Text:
    style = "red" if access.operation == "write" else "yellow"
    before = ", before that" if access.previous else ""
    return Text.assemble((str(access.operation), style), f" by {access.by}{before}")


def _stack(frames: Sequence[Frame], left_out: int) -> Iterator[RenderableType]:
    if not frames:
        yield Text(f"      {_NO_STACK}", "dim")
    yield from folded(frames, 6, _MOST_FRAMES)
    if left_out:
        yield Text(f"      … {plural(left_out, 'frame')} that the answer leaves out", "dim")


def _row(answer: Races) -> tuple[Cell, ...]:
    latest = answer.races[0] if answer.races else None
    last = ago(latest.last_seen) if latest is not None and latest.last_seen is not None else MISSING
    place = " and ".join(_place(one) for one in latest.accesses) if latest is not None else MISSING
    return amount(answer.distinct), amount(answer.reports), last, Text(place)


def _place(one: Access | Creation) -> str:
    frame = one.own or next(iter(one.frames), None)
    return f"{short(frame.function)} ({place(frame)})" if frame is not None else _NO_STACK


VIEW: Final = View(
    answer=Races,
    columns=("RACES", "REPORTS", "LAST SEEN", "LATEST"),
    row=_row,
    page=_page,
    watched=("distinct", "reports"),
)
