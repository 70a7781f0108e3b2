"""`goroutines`: how many, who waits for whom, what grows, then the alike ones with their stacks folded."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from diagmesh.contract.answers.goroutines import (
    Cycle,
    DumpForm,
    Goroutines,
    Group,
    Growth,
    HolderWhy,
    Leak,
    WaitAge,
    Waited,
    WaitedKind,
)
from diagmesh_cli.views.parts import blind_lines, bounded, indented, more_line
from diagmesh_cli.views.stacks import folded, frame_line, place, short
from diagmesh_cli.views.view import Cell, View
from diagmesh_cli.views.words import MISSING, amount, duration, plural, size, took

__all__ = ["VIEW"]

_MOST_WAITED: Final = 5
_MOST_GROUPS: Final = 10
_LEAST_WAITERS: Final = 2
_LEAST_GROWN: Final = 3
_HELD: Final = frozenset({WaitedKind.MUTEX, WaitedKind.RWMUTEX})
_WHY: Final = {
    HolderWhy.ARGUMENT: "was called with this lock",
    HolderWhy.RECEIVER: "is in a method of the same object",
    HolderWhy.SELF: "waits inside of two methods of that object itself",
}


def _page(answer: Goroutines) -> RenderableType:
    parts: list[RenderableType] = [_head(answer)]
    if answer.cut:
        parts.append(Text(f"not all of it: {answer.cut}", "yellow"))
    parts += [line for cycle in answer.cycles for line in _cycle(cycle)]
    parts += _waited(answer.waited)
    parts += _leaks(answer)
    parts += _growth(answer)
    for group in answer.groups[:_MOST_GROUPS]:
        parts += _group(group, answer.form)
    left_out = answer.groups_left_out + max(0, len(answer.groups) - _MOST_GROUPS)
    if left_out:
        parts.append(more_line(left_out))
    return Lines(*parts, *blind_lines(answer.blind))


def _head(answer: Goroutines) -> Text:
    text = Text.assemble((plural(answer.total, "goroutine"), "bold"))
    if answer.states:
        shown = list(answer.states.items())[:4]
        text.append(": " + ", ".join(f"{count:,} {state}" for state, count in shown))
        text.append(" …" if len(answer.states) > len(shown) else "")
    cost = answer.cost
    if cost.read_bytes:
        came = f", came in {took(cost.took_ms)}" if cost.took_ms else ""
        text.append(f"\n{answer.form}: {size(cost.read_bytes)}{came}, read in {took(cost.parse_ms)}", "dim")
    if answer.form_why:
        text.append(f"\n{answer.form_why}", "dim")
    return text


def _cycle(cycle: Cycle) -> Iterator[RenderableType]:
    yield Text()
    since = f", seen so for {duration(cycle.seen_s)}" if cycle.seen_s else ""
    waits = f", each for {duration(cycle.waits_s)} at least" if cycle.waits_s else ""
    yield Text.assemble(("waiting in a circle", "bold red"), f" (inferred){waits}{since}")
    steps = cycle.steps
    for number, step in enumerate(steps):
        holder = steps[(number + 1) % len(steps)].goroutine
        words = f"goroutine {step.goroutine} waits for the lock {step.waits_for}, which {holder} seems to hold"
        yield indented(Text(words))
        yield frame_line(step.frame, 4)
    if cycle.held_up:
        yield Text(f"  {plural(cycle.held_up, 'more goroutine')} {_wait_s(cycle.held_up)} for these locks", "dim")


def _wait_s(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _waited(waited: Sequence[Waited]) -> Iterator[RenderableType]:
    for one in [one for one in waited if _worth_telling(one)][:_MOST_WAITED]:
        yield Text()
        what = f"{one.kind} {one.address}{'' if one.sure else '?'}" if one.address else f"one place ({one.kind})"
        yield Text.assemble((f"{plural(one.waiters, 'goroutine')} {_wait_s(one.waiters)} on {what}", "bold"), _age(one))
        if one.frame is not None:
            yield frame_line(one.frame)
        for holder in one.holders[:2]:
            also = f", waits for {holder.waits_for}" if holder.waits_for else f", {holder.state}"
            yield indented(Text(f"goroutine {holder.goroutine} may hold it: {_WHY[holder.why]}{also}", "dim"))
            yield frame_line(holder.frame, 4)


def _worth_telling(one: Waited) -> bool:
    """Idle workers wait on channels and conditions for good; nobody waits long for a lock, or to send."""
    return one.kind in _HELD or (one.state.startswith("chan send") and one.waiters >= _LEAST_WAITERS)


def _age(one: Waited) -> str:
    seen = f", seen for {duration(one.seen_s)}" if one.seen_s else ""
    return f"{_ages(one.age)}{seen}"


def _ages(age: WaitAge | None) -> str:
    if age is None or not age.max_s:
        return ""
    if age.min_s == age.max_s:
        return f", for {duration(age.max_s)}"
    if not age.min_s:
        return f", for up to {duration(age.max_s)}"
    return f", for {duration(age.min_s)} to {duration(age.max_s)} (half for {duration(age.median_s)})"


def _leaks(answer: Goroutines) -> Iterator[RenderableType]:
    if answer.leaks:
        yield Text()
        total = sum(one.count for one in answer.leaks)
        yield Text(f"{plural(total, 'goroutine')} that nothing can wake any more (Go's leak profile)", "bold red")
        yield from bounded(answer.leaks, _leak)


def _leak(one: Leak) -> Iterator[RenderableType]:
    yield Text(f"  {plural(one.count, 'goroutine')}")
    yield from folded(one.frames, 4, 3)


def _growth(answer: Goroutines) -> Iterator[RenderableType]:
    grown = [one for one in answer.growth if one.count - one.before >= _LEAST_GROWN]
    if grown:
        yield Text()
        # Counts say neither where goroutines were started nor what they do.
        known = answer.form is DumpForm.STACKS
        yield Text(f"more than before, by where they are{' started' if known else ''}", "bold")
        yield from bounded(grown, lambda one: _grown(one, known=known))


def _grown(one: Growth, *, known: bool) -> Iterator[RenderableType]:
    rate = f" in {duration(one.over_s)}, {amount(one.per_second)}/s" if one.per_second else ""
    wait = f", {one.waiting:,} of them {_wait_s(one.waiting)}" if known else ""
    yield indented(Text(f"{one.before:,} → {one.count:,}{rate}{wait}"))
    yield frame_line(one.site, 4)


def _group(group: Group, form: DumpForm) -> Iterator[RenderableType]:
    yield Text()
    state = group.state or ("" if form is not DumpForm.STACKS else MISSING)
    stacks = f" ({plural(group.stacks, 'stack')})" if group.stacks > 1 else ""
    thread = f", {group.locked_to_thread} with a thread of their own" if group.locked_to_thread else ""
    yield Text.assemble(
        (f"{plural(group.count, 'goroutine')}{state and f' · {state}'}", "bold"), f"{_ages(group.age)}{thread}{stacks}"
    )
    yield from folded(group.frames)
    if not group.frames:
        yield Text("  its stack is not told", "dim")
    if group.elided_frames > 0:
        yield Text(f"  … {plural(group.elided_frames, 'frame')} left out", "dim")
    if group.created_by is not None:
        yield Text("  started by", "dim").append_text(frame_line(group.created_by, 1))


def _row(answer: Goroutines) -> tuple[Cell, ...]:
    largest = answer.groups[0] if answer.groups else None
    where = largest and (largest.place or (largest.frames[0] if largest.frames else None))
    words = f"{largest.count:,} {largest.state} {short(where.function)} {place(where)}" if largest and where else ""
    if answer.cycles:
        words = f"{plural(len(answer.cycles), 'circle')} of locks; {words}"
    waiting = MISSING if answer.waiting is None else f"{answer.waiting:,}"
    return f"{answer.total:,}", waiting, Text(words)


VIEW: Final = View(
    answer=Goroutines,
    columns=("GOROUTINES", "ON LOCKS", "MOST OF THEM"),
    row=_row,
    page=_page,
    watched=("total", "waiting"),
)
