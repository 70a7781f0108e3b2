"""`connection`: whether NATS can be reached, then each real connection, then why earlier ones went."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from diagmesh.contract.answers.connection import (
    AuthVerdict,
    Connection,
    Door,
    DoorVerdict,
    Ended,
    Link,
    ServerView,
    SubscriptionView,
)
from diagmesh_cli.views.parts import blind_lines, bounded, indented
from diagmesh_cli.views.view import Cell, View
from diagmesh_cli.views.words import MISSING, ago, amount, plural, seconds, size, took

__all__ = ["VIEW"]

_MOST_SUBS: Final = 5


def _page(answer: Connection) -> RenderableType:
    parts: list[RenderableType] = [_headline(answer)]
    parts += bounded(sorted(answer.doors, key=lambda door: door.verdict is DoorVerdict.OPEN), _door)
    parts += bounded(answer.links or (), _link)
    if answer.ended:
        parts += [Text(), Text("ended connections, the latest first", "bold")]
        parts += bounded(answer.ended, _ended)
    return Group(*parts, *blind_lines(answer.blind))


def _headline(answer: Connection) -> Text:
    """The worst that there is, first."""
    doors = Counter(door.verdict for door in answer.doors)
    unknown = doors[DoorVerdict.BLIND]
    shut = [door for door in answer.doors if door.verdict not in {DoorVerdict.OPEN, DoorVerdict.BLIND}]
    closed = bool(shut) and len(shut) == len(answer.doors)
    said = []
    if closed:
        said.append(f"no NATS server can be used: {shut[0].verdict} ({shut[0].url})")
    if answer.links == ():
        said.append(_unlinked(answer))
    if answer.doors and not closed:
        said.append(f"{doors[DoorVerdict.OPEN]} of {plural(len(answer.doors), 'server')} can be used")
    if unknown:
        said.append(f"of {unknown:,} nothing is known")
    if answer.connections:
        said.append(f"{plural(answer.connections, 'connection')}{' that stood before' if closed else ''}")
    if answer.ended_lately:
        said.append(f"{answer.ended_lately:,} ended in five minutes")
    if answer.pending_bytes:
        said.append(f"{size(answer.pending_bytes)} pending")
    if closed or answer.links == ():
        style = "bold red"
    else:
        style = "yellow" if shut or unknown or answer.ended_lately or answer.pending_bytes else "green"
    return Text(", ".join(said) or "nothing was looked at", style)


def _unlinked(answer: Connection) -> str:
    """Only where the servers were asked, too, is it sure that the process is at none of them."""
    if answer.blind:
        return "the process has no connection to a server that its settings name"
    return "the process has no connection to NATS"


def _door(door: Door) -> Iterator[RenderableType]:
    good = door.verdict is DoorVerdict.OPEN
    yield Text()
    yield Text.assemble((door.url, "bold"), "  ", (str(door.verdict), "green" if good else "bold red"))
    if door.reason:
        yield indented(Text(door.reason))
    if door.fix:
        yield indented(Text(door.fix, "dim"))
    layers = ", ".join(f"{layer} {took(ms)}" for layer, ms in door.phases_ms.items())
    if layers:
        yield indented(Text(layers, "dim"))
    if len(door.addresses) > 1 or not good:
        yield from (indented(Text(f"{one.address}: {one.reason or 'connects'}", "dim")) for one in door.addresses)
    if door.greeting is not None:
        yield indented(Text(_greeting(door)))
    if door.tls is not None:
        until = f", for {door.tls.days_left:.0f} days" if door.tls.days_left is not None else ""
        yield indented(Text(f"{door.tls.protocol}, {', '.join(door.tls.names)}{until}"))
    if door.auth.verdict is not AuthVerdict.NOT_NEEDED and (good or door.auth.role):
        end = f", ends {door.auth.expires_at:%Y-%m-%d %H:%M} UTC" if door.auth.expires_at is not None else ""
        yield indented(Text(f"credentials {door.auth.verdict}{f' ({door.auth.role})' if door.auth.role else ''}{end}"))
    if (trips := door.round_trips) is not None:
        yield indented(Text(f"round trip {took(trips.p50_ms)} (p95 {took(trips.p95_ms)}, of {trips.count})"))


def _greeting(door: Door) -> str:
    assert door.greeting is not None  # noqa: S101  the caller has looked
    seen = door.greeting
    said = [f"{seen.name} {seen.version}".strip(), f"payload up to {size(seen.max_payload_bytes)}"]
    said += [f"cluster {seen.cluster}"] if seen.cluster else []
    return ", ".join(said + (["about to stop (lame duck)"] if seen.lame_duck else []))


def _link(link: Link) -> Iterator[RenderableType]:
    yield Text()
    name = link.seen.name if link.seen is not None and link.seen.name else "connection"
    yield Text.assemble((name, "bold"), f"  {link.local} to {link.remote}  ", (link.state.lower(), "dim"))
    if link.seen is None:
        yield indented(Text("no server told of it", "dim"))
    else:
        yield from _seen(link.seen)
    if link.send_queue_bytes or link.receive_queue_bytes:
        queues = f"in the kernel: {size(link.receive_queue_bytes)} unread, {size(link.send_queue_bytes)} unsent"
        yield indented(Text(queues, "yellow"))


def _seen(seen: ServerView) -> Iterator[RenderableType]:
    who = f"account {seen.account}, " if seen.account else ""
    yield indented(Text(f"{seen.server} cid {seen.cid}, {who}{seen.client}, since {ago(seen.started_at)}"))
    rates = f"in {amount(seen.in_msgs_per_s)}/s, out {amount(seen.out_msgs_per_s)}/s"
    yield indented(Text(f"rtt {took(seen.rtt_ms)}, idle {seconds(seen.idle_s)}, {rates}"))
    if seen.pending_bytes or seen.stalls_per_s:
        stalls = f", holds publishers up {amount(seen.stalls_per_s)} times a second" if seen.stalls_per_s else ""
        yield indented(Text(f"the server holds {size(seen.pending_bytes)} for it{stalls}", "yellow"))
    yield from (indented(Text(_sub(sub), "dim")) for sub in seen.subs[:_MOST_SUBS])
    if (more := seen.subscriptions - len(seen.subs[:_MOST_SUBS])) > 0:
        yield indented(Text(f"… and {plural(more, 'subscription')} more", "dim"))


def _sub(sub: SubscriptionView) -> str:
    queue = f" (queue {sub.queue})" if sub.queue else ""
    rate = f", {amount(sub.msgs_per_s)}/s" if sub.msgs_per_s else ""
    return f"{sub.subject}{queue}: {plural(sub.msgs, 'message')}{rate}"


def _ended(one: Ended) -> Iterator[RenderableType]:
    lived = f", had lived {seconds(one.lived_s)}" if one.lived_s is not None else ""
    held = f", {size(one.pending_bytes)} pending" if one.pending_bytes else ""
    style = "yellow" if one.lately else ""
    yield indented(Text(f"{one.reason}: {one.count:,}, last {ago(one.last_at)} ({one.name}{lived}{held})", style))


def _row(answer: Connection) -> tuple[Cell, ...]:
    shut = next((door for door in answer.doors if door.reason), None)
    went = next((one.reason for one in answer.ended or () if one.lately), "")
    verdict = str(answer.verdict) if answer.verdict is not None else MISSING
    style = "green" if answer.verdict is DoorVerdict.OPEN else "red"
    told = (amount(answer.connections), took(answer.rtt_ms), size(answer.pending_bytes), amount(answer.ended_lately))
    return (Text(verdict, style), *told, Text(shut.reason if shut is not None else went))


VIEW: Final = View(
    answer=Connection,
    columns=("NATS", "CONNS", "RTT", "PENDING", "ENDED 5 MIN", "WHY"),
    row=_row,
    page=_page,
    watched=("connections", "rtt_ms", "pending_bytes", "in_msgs_per_s", "out_msgs_per_s", "ended_lately"),
)
