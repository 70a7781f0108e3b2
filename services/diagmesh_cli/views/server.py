"""`server`: what is wrong first, then load and limits, then who is around it, then what could not be seen."""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from diagmesh.contract.answers.server import Server, Sign
from diagmesh_cli.views.parts import blind_lines, bounded, indented
from diagmesh_cli.views.view import Cell, View
from diagmesh_cli.views.words import MISSING, amount, duration, plural, share, size, took, verdict

__all__ = ["VIEW"]

_MOST_NAMED: Final = 3
_DAY_S: Final = 86_400.0
_SOON_DAYS: Final = 30
Line = tuple[str, str, str, Cell, str]


def _page(answer: Server) -> RenderableType:
    if answer.servers:
        return _sum(answer)
    parts: list[RenderableType] = [_head(answer), *_signs(answer), Text(), _numbers(answer)]
    return Group(*parts, *_around(answer), *blind_lines(answer.blind))


def _head(answer: Server) -> Text:
    text = Text.assemble(_state(answer), " ", (answer.name, "bold"))
    if answer.cluster:
        text.append(f" of {answer.cluster}")
    up = (answer.at - answer.start).total_seconds() if answer.at is not None and answer.start is not None else None
    text.append(f" · nats-server {answer.version or MISSING} · up {duration(up)}", "dim")
    if wrong := next((one.error for one in answer.health if one.ok is False and one.error), ""):
        text.append(f" · {wrong}", "red")
    return text


def _state(answer: Server) -> Text:
    if answer.lame_duck:
        return Text("lame duck", "bold yellow")
    if not answer.health:
        return verdict("unknown")
    return verdict("fail" if any(one.ok is False for one in answer.health) else "up")


def _signs(answer: Server) -> Iterator[RenderableType]:
    yield from bounded(answer.signs, _sign)
    for one in answer.pending[:_MOST_NAMED]:
        heard = f", hears {', '.join(one.subjects)}" if one.subjects else ""
        part = f" ({share(one.share)} of what may wait)" if one.share is not None else ""
        yield indented(Text(f"{size(one.pending_bytes)} wait for {one.name}{part}{heard}", "yellow"))


def _sign(one: Sign) -> Iterator[RenderableType]:
    text = Text.assemble((f"{one.kind}", "yellow"), f" {amount(one.count)} x")
    if one.who:
        text.append(f" {', '.join(one.who[:_MOST_NAMED])}")
    if one.subjects:
        text.append(f" on {', '.join(one.subjects[:_MOST_NAMED])}")
    yield indented(text.append(f" ({one.source})", "dim"))


def _numbers(answer: Server) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("NOW", no_wrap=True, justify="right")
    table.add_column("LIMIT", no_wrap=True, justify="right")
    table.add_column("SHARE", no_wrap=True, justify="right")
    table.add_column("MORE", overflow="fold")
    for line in (*_load(answer), *_jetstream(answer)):
        table.add_row(*line)
    return table


def _load(answer: Server) -> Iterator[Line]:
    load, limits, rates = answer.load, answer.limits, answer.rates
    high = f"high for {duration(load.cpu_high_s)}" if load.cpu_high_s else ""
    yield "cpu", "", plural(load.cores, "core"), share(load.cpu_share), high
    grown = f"{size(rates.memory_growth_bytes)} in {duration(rates.over_s)}" if rates is not None else ""
    yield "memory", size(load.memory_bytes), "", "", grown
    new = f"{amount(rates.connects_per_s)}/s new, " if rates is not None else ""
    ever = f"{new}{amount(load.total_connections)} since the start"
    part = share(limits.connections_share) if limits.connections_share is not None else ""
    yield "connections", amount(load.connections), amount(limits.max_connections), part, ever
    yield "subscriptions", amount(load.subscriptions), "", "", ""
    if rates is not None:
        flow = f"in {size(rates.in_bytes_per_s)}/s, out {size(rates.out_bytes_per_s)}/s"
        yield "messages in", f"{amount(rates.in_msgs_per_s)}/s", "", "", flow
        yield "messages out", f"{amount(rates.out_msgs_per_s)}/s", "", "", ""
    lost = f"{plural(load.slow_consumers, 'slow consumer')} since the start"
    if load.stalled_clients:
        lost += f", {plural(load.stalled_clients, 'stall')} of publishers"
    yield "cut off", amount(rates.slow_consumers) if rates is not None else MISSING, "", "", lost


def _jetstream(answer: Server) -> Iterator[Line]:
    use = answer.jetstream
    if use is None:
        return
    more = f"{size(use.reserved_storage_bytes)} reserved"
    yield "js storage", size(use.storage_bytes), size(use.max_storage_bytes), share(use.storage_share), more
    more = f"{size(use.reserved_memory_bytes)} reserved"
    yield "js memory", size(use.memory_bytes), size(use.max_memory_bytes), share(use.memory_share), more
    consumers = plural(use.consumers, "consumer") if use.consumers is not None else f"{MISSING} consumers"
    counts = f"{consumers}, {amount(use.ha_assets)} replicated, {plural(use.api_errors, 'API error')}"
    yield "js streams", amount(use.streams), "", "", counts


def _around(answer: Server) -> Iterator[RenderableType]:
    if answer.routes:
        yield Text(f"routes to {', '.join(f'{one.name} ({took(one.rtt_ms)})' for one in answer.routes)}", "dim")
    if answer.gateways:
        yield Text(f"gateways to {', '.join(one.name for one in answer.gateways)}", "dim")
    if answer.leafs:
        yield Text(f"leafnodes {', '.join(f'{one.name} ({one.account})' for one in answer.leafs)}", "dim")
    if (meta := answer.meta) is not None:
        away = [one.name for one in meta.peers if one.offline]
        said = f"meta group of {meta.size}, leader {meta.leader or 'none'}"
        yield Text(f"{said}, away: {', '.join(away)}" if away else said, "red" if away or not meta.leader else "dim")
    for one in answer.accounts[:_MOST_NAMED]:
        flow = f"{amount(one.in_msgs)} messages in, {amount(one.out_msgs)} out"
        yield Text(f"account {one.name}: {plural(one.connections, 'connection')}, {flow}", "dim")
    for door in answer.certificates:
        if door.left_s <= 0:
            yield Text(f"certificate for {door.door}: expired {duration(-door.left_s)} ago", "red")
        else:
            style = "yellow" if door.left_s < _SOON_DAYS * _DAY_S else "dim"
            yield Text(f"certificate for {door.door}: {duration(door.left_s)} left", style)


def _sum(answer: Server) -> RenderableType:
    """All servers: one line each."""
    load, rates = answer.load, answer.rates
    flow = f", {amount(rates.in_msgs_per_s)} messages/s in, {amount(rates.out_msgs_per_s)}/s out" if rates else ""
    head = Text.assemble((answer.name, "bold"), f": {plural(load.connections, 'connection')}{flow}")
    table = Table(box=None, pad_edge=False)
    for column in ("SERVER", *VIEW.columns):
        table.add_column(column, no_wrap=column != VIEW.columns[-1])
    for one in answer.servers:
        table.add_row(Text(one.name), *_row(one))
    return Group(head, Text(), table)


def _row(answer: Server) -> tuple[Cell, ...]:
    bad = [str(one.kind) for one in answer.signs]
    bad += [one.error for one in answer.health if one.ok is False and one.error]
    meta = f"meta leader {answer.meta.leader or 'none'}" if answer.meta is not None else ""
    said = ", ".join(filter(None, (*bad, meta)))
    return (
        _state(answer),
        share(answer.load.cpu_share),
        size(answer.load.memory_bytes),
        amount(answer.load.connections),
        Text(said or answer.version),
    )


VIEW: Final = View(
    answer=Server,
    columns=("STATE", "CPU", "MEMORY", "CLIENTS", "SEEN"),
    row=_row,
    page=_page,
    watched=("load.cpu_share", "load.memory_bytes", "load.connections", "rates.in_msgs_per_s", "rates.out_msgs_per_s"),
)
