"""`status`: the whole mesh at a look: a line per service, then the silent with the reason, then what was not seen."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from diagmesh.client import Heard, MeshResult
from diagmesh.contract.answers.health import Health, State
from diagmesh.contract.mesh import Ended, InstanceState, ServiceEntry, Services
from diagmesh.errors import Refusal, Unreadable
from diagmesh_cli.views.parts import finding_lines, indented, silent_lines, unexpected_lines
from diagmesh_cli.views.services import coordinator_lines, doubts
from diagmesh_cli.views.words import plural, verdict

__all__ = ["MeshStatus", "judged", "status_view"]

_ORDER: Final = list(State)
_MOST_BLIND: Final = 20


class MeshStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for one look at the mesh.

    Args:
        services: the directory; None when no coordinator answered.
        health: the health of everybody, added up.
    """

    services: Services | None
    health: MeshResult[Health]


def status_view(status: MeshStatus) -> RenderableType:
    """The whole page."""
    health, states = status.health.answer, judged(status.health.each)
    parts: list[RenderableType] = [_headline(status, states), Text(), _table(status, states)]
    parts += finding_lines(health.findings)
    parts += silent_lines(health.silent)
    parts += unexpected_lines(health.unexpected)
    parts += _not_seen(status.health.each)
    if health.ended not in (Ended.COMPLETE, Ended.WARMING):
        parts.append(indented(Text(f"the look ended early: {health.ended}", "yellow")))
    parts += [indented(Text(f"note: {note}", "dim")) for note in health.notes]
    if status.services is not None:
        parts += [Text(), *coordinator_lines(status.services), *doubts(status.services)]
    return Group(*parts)


def judged(each: Sequence[Heard[Health]]) -> dict[str, Counter[str]]:
    """Per service, how many instances are in which state; a reply that is no answer counts by its status."""
    states: dict[str, Counter[str]] = {}
    for heard in each:
        states.setdefault(heard.reply.service, Counter())[_word(heard)] += 1
    return states


def _word(heard: Heard[Health]) -> str:
    try:
        return heard.answer.state.value
    except (Refusal, Unreadable):
        return heard.reply.status.value if heard.problem is not None else "unreadable"


def _headline(status: MeshStatus, states: dict[str, Counter[str]]) -> Text:
    health = status.health.answer
    field = health.fields.get("state")
    total = Counter(field.counts) if field is not None else sum(states.values(), Counter())
    services = len(status.services.services) if status.services is not None else len(states)
    text = Text.assemble((plural(services, "service"), "bold"), " · ")
    text.append(f"{health.answered} of {plural(health.expected, 'instance')} answered")
    for word in _ORDER:
        if total[word.value]:
            text.append(f" · {total[word.value]} ").append_text(verdict(word.value))
    return text.append(f" · {len(health.silent)} silent", "red") if health.silent else text


def _table(status: MeshStatus, states: dict[str, Counter[str]]) -> Table:
    entries = {entry.service: entry for entry in status.services.services} if status.services is not None else {}
    services = sorted({*entries, *states, *(one.service for one in status.health.silent)})
    worst = {service: _worst(service, status) for service in services}
    table = Table(box=None, pad_edge=False)
    table.add_column("SERVICE", overflow="fold", min_width=8)
    table.add_column("LIVE", no_wrap=True, justify="right")
    table.add_column("HEALTH", overflow="fold")
    table.add_column("WORST" if any(worst.values()) else "", overflow="fold")
    for service in services:
        counts = states.get(service, Counter())
        live = _live(service, entries.get(service), status, counts)
        table.add_row(Text(service, "bold"), live, _counts(counts), worst[service])
    return table


def _live(service: str, entry: ServiceEntry | None, status: MeshStatus, counts: Counter[str]) -> Text:
    """How many are live of how many; whoever has just been silent is not live, whatever his last heartbeat said."""
    silent = {one.instance for one in status.health.silent if one.service == service}
    if entry is None:
        live, wanted = sum(counts.values()), sum(counts.values()) + len(silent)
    else:
        known = [one for one in entry.instances if one.state is InstanceState.LIVE]
        live = sum(1 for one in known if one.instance not in silent)
        wanted = len(entry.instances) + entry.lacking
    return Text(f"{live}/{wanted}", "" if live == wanted else "red")


def _counts(counts: Counter[str]) -> Text:
    text = Text()
    for word in sorted(counts, key=lambda one: _ORDER.index(State(one)) if one in set(State) else len(_ORDER)):
        text.append(", " if text else "").append(f"{counts[word]} ").append_text(verdict(word))
    return text or Text("not seen", "yellow")


def _worst(service: str, status: MeshStatus) -> Text:
    """The worst instance with its reason; empty when all are up."""
    unwell = [(heard, _word(heard)) for heard in status.health.each if heard.reply.service == service]
    unwell = [(heard, word) for heard, word in unwell if word != State.UP.value]
    if not unwell:
        return Text()
    heard, word = max(unwell, key=lambda pair: _ORDER.index(State(pair[1])) if pair[1] in set(State) else len(_ORDER))
    return Text.assemble((heard.reply.instance, "bold"), " ", verdict(word), f": {_reason(heard)}")


def _reason(heard: Heard[Health]) -> str:
    if heard.problem is not None:
        return heard.problem.detail or heard.problem.error
    try:
        return heard.answer.reason
    except Unreadable as error:
        return str(error)


def _not_seen(each: Sequence[Heard[Any]]) -> Iterator[RenderableType]:
    """What the health looks themselves could not judge."""
    blind = [(heard, one) for heard in each if isinstance(_answer(heard), Health) for one in heard.answer.blind]
    for heard, one in blind[:_MOST_BLIND]:
        text = Text.assemble(("not seen ", "yellow"), (heard.where, "bold"), f" {one.what}: {one.why}")
        yield indented(text.append(f" ({one.fix})", "dim") if one.fix else text)
    if len(blind) > _MOST_BLIND:
        yield indented(Text(f"… and {len(blind) - _MOST_BLIND} more not seen (--json shows all)", "dim"))


def _answer(heard: Heard[Any]) -> Any:
    try:
        return heard.answer
    except (Refusal, Unreadable):
        return None
