"""`streams`: which consumers are held up, by what, and until when; then the streams with their limits."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from diagmesh.contract.answers.streams import AdvisorySeen, Cause, ConsumerState, PoisonMessage, Streams, StreamState
from diagmesh_cli.views.parts import MOST_ROWS, blind_lines, indented
from diagmesh_cli.views.view import Cell, View
from diagmesh_cli.views.words import MISSING, amount, duration, plural, quantity, share, size

__all__ = ["VIEW"]

_WELL: Final = frozenset({Cause.NONE, Cause.PAUSED})
_NEAR: Final = 0.9


def _page(answer: Streams) -> RenderableType:
    parts: list[RenderableType] = [_headline(answer)]
    if answer.no_quorum is not None:
        of = ", ".join(answer.no_quorum.streams[:3]) or "JetStream"
        parts.append(Text(f"no quorum: {of}: {answer.no_quorum.reason}", "bold red"))
    for names, what in ((answer.missing, "not there"), (answer.unheard_subjects, "no stream takes")):
        if names:
            parts.append(Text(f"{what}: {', '.join(names)}", "red"))
    if answer.consumers:
        parts += [Text(), _consumers(answer.consumers[:MOST_ROWS])]
    parts += _troubles(answer.consumers)
    if answer.streams:
        parts += [Text(), _streams(answer.streams[:MOST_ROWS])]
    parts += _advisories(answer.advisories)
    more = answer.left_out + max(0, len(answer.consumers) - MOST_ROWS) + max(0, len(answer.streams) - MOST_ROWS)
    if more:
        parts.append(Text(f"… and {more} more, all of them counted above (--json with most)", "dim"))
    if answer.not_looked_at:
        parts.append(Text(f"{answer.not_looked_at} were not looked at: name those that matter", "yellow"))
    return Group(*parts, *blind_lines(answer.blind))


def _headline(answer: Streams) -> Text:
    totals = answer.totals
    whose = "named" if answer.named else "of the account"
    said = f"{plural(totals.consumers, 'consumer')} of {plural(totals.streams, 'stream')} ({whose})"
    text = Text()
    if answer.consumers and answer.worst not in _WELL:
        text.append(f"{answer.consumers[0].full_name}: ", "bold").append_text(_cause(answer.worst)).append("\n")
    text.append(f"{said}: {amount(totals.pending)} waiting, {amount(totals.ack_pending)} not acknowledged")
    if answer.over_s is not None:
        rates = f"{quantity(totals.in_per_s, '/s')} in, {quantity(totals.delivered_per_s, '/s')} delivered"
        text.append(f" · {rates} over {duration(answer.over_s)}", "dim")
    return text


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(columns):
        last = number == len(columns) - 1
        table.add_column(
            name, no_wrap=not (last or number == 0), overflow="fold", justify="left" if last or not number else "right"
        )
    return table


def _consumers(consumers: Iterable[ConsumerState]) -> Table:
    table = _table("CONSUMER", "WAIT", "UNACKED", "OUT/S", "AGAIN/S", "DRAIN", "CAUSE")
    for one in consumers:
        limit = f"/{one.max_ack_pending}" if one.max_ack_pending is not None else ""
        again = one.redelivered_per_s
        table.add_row(
            one.full_name,
            amount(one.pending),
            f"{one.ack_pending}{limit}",
            _rate(one.delivered_per_s),
            _rate(again),
            _until(one),
            _cause(one.cause),
        )
    return table


def _until(one: ConsumerState) -> Text:
    """When nothing waits any more, or when something is lost, whichever matters more."""
    if one.lost_in_s is not None:
        return Text(f"loss {duration(one.lost_in_s)}", "red")
    if one.pending and one.drain_s is not None:
        return Text(duration(one.drain_s))
    rated = one.pending and one.pending_per_s is not None  # without rates nobody knows
    return Text("never", "yellow") if rated else Text(MISSING)


def _rate(value: float | None) -> str:
    return amount(value)


def _cause(cause: Cause) -> Text:
    return Text(str(cause), "green" if cause is Cause.NONE else "yellow" if cause in _WELL else "red")


def _troubles(consumers: Sequence[ConsumerState]) -> Iterator[RenderableType]:
    """What does not fit into a column."""
    for one in consumers[:MOST_ROWS]:
        for message in one.poison[-3:]:
            yield indented(_poison(one, message))
        if one.lost:
            yield indented(Text(f"{one.full_name}: {one.lost} messages were dropped before it got them", "red"))
        for threshold in one.exceeded:
            against = f"{amount(threshold.value)} against {amount(threshold.limit)}"
            said = f"{one.full_name}: its own {threshold.key}: {against}"
            yield indented(Text(said, "red"))


def _poison(one: ConsumerState, message: PoisonMessage) -> Text:
    what = "given up" if message.given_up else "tried again and again"
    times = f" after {message.deliveries} deliveries" if message.deliveries is not None else ""
    age = f", {duration(message.age_s)} ago" if message.age_s is not None else ""
    head = f": {message.subject} {message.head}" if message.head else ""
    return Text(f"{one.full_name}: message {message.seq} {what}{times}{age}{head}", "red")


def _streams(streams: Iterable[StreamState]) -> Table:
    table = _table("STREAM", "MESSAGES", "SIZE", "IN/S", "FULL", "OLDEST", "WHEN FULL")
    for one in streams:
        full = one.full_share
        table.add_row(
            one.name,
            amount(one.messages),
            size(one.bytes),
            _rate(one.in_per_s),
            Text(share(full), "yellow" if one.discard == "new" and (full or 0.0) >= _NEAR else ""),
            duration(one.first_age_s),
            _copies(one),
        )
    return table


def _copies(one: StreamState) -> str:
    """What it does when it is full, and how its copies are."""
    told = ["refuses new" if one.discard == "new" else "drops old"]
    if one.leader == "":
        told.append("no leader")
    if one.replicas:
        behind = sum(not each.current or each.offline for each in one.replicas)
        told.append(f"{len(one.replicas) + 1} copies" + (f", {behind} behind" if behind else ""))
    told += [f"{'mirrors' if each.mirror else 'takes from'} {each.name} (lag {each.lag})" for each in one.sources]
    return ", ".join(told)


def _advisories(advisories: Sequence[AdvisorySeen]) -> Iterator[RenderableType]:
    for number, one in enumerate(advisories[:5]):
        if not number:
            yield Text()
        of = f"{one.stream}/{one.consumer}" if one.consumer else one.stream
        times = f" {one.count} times" if one.count > 1 else ""
        yield Text(f"heard {duration(one.age_s)} ago: {one.what.replace('_', ' ')} {of}{times}", "dim")


def _row(answer: Streams) -> tuple[Cell, ...]:
    totals, worst = answer.totals, answer.consumers[0] if answer.consumers else None
    name = f" {worst.full_name}" if worst is not None and worst.cause is not Cause.NONE else ""
    return (
        Text(amount(totals.streams)),
        Text(amount(totals.consumers)),
        Text(amount(totals.pending)),
        Text(amount(totals.ack_pending)),
        Text(_rate(totals.in_per_s)),
        Text(_rate(totals.delivered_per_s)),
        _cause(answer.worst).append(name),
    )


_COLUMNS: Final = ("STREAMS", "CONS", "WAIT", "UNACKED", "IN/S", "OUT/S", "WORST")
_WATCHED: Final = ("totals.pending", "totals.ack_pending", "totals.in_per_s", "totals.delivered_per_s")
VIEW: Final = View(answer=Streams, columns=_COLUMNS, row=_row, page=_page, watched=_WATCHED)
