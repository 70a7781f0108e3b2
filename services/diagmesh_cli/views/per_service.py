"""What a look says per service: how many are live, how they are, and whom to look at; made in one pass."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from diagmesh.client import Heard, MeshResult
from diagmesh.contract.answers.health import Health, State
from diagmesh.contract.directory import InstanceState, ServiceEntry, Services
from diagmesh.errors import Refusal, Unreadable
from diagmesh_cli.views.parts import MOST_ROWS, more_line, names
from diagmesh_cli.views.words import plural, verdict

__all__ = ["ORDER", "ServiceSeen", "seen_per_service", "service_lines"]

ORDER: Final = [state.value for state in State]
"""States from good to bad; a word that is none of them is worse than all."""


class ServiceSeen(msgspec.Struct, kw_only=True):
    """One service.

    Args:
        live: instances that are live and answered, or would have.
        wanted: instances that there should be.
        words: how many are in which state; a reply that is no answer counts by its status.
        unwell: whoever is not up, with the word for it.
    """

    live: int = 0
    wanted: int = 0
    words: Counter[str] = msgspec.field(default_factory=Counter)
    unwell: list[tuple[Heard[Any], str]] = msgspec.field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether nobody lacks, everybody answered and is up."""
        return not self.unwell and self.live == self.wanted <= self.words.total()


def seen_per_service(services: Services | None, health: MeshResult[Any]) -> dict[str, ServiceSeen]:
    """Every service that the directory knows, that answered, or that was silent; by name."""
    entries = {entry.service: entry for entry in services.services} if services is not None else {}
    silent: dict[str, set[str]] = {}
    for one in health.silent:
        silent.setdefault(one.service, set()).add(one.instance)
    found: dict[str, ServiceSeen] = {service: ServiceSeen() for service in (*entries, *silent)}
    for heard in health.each:
        seen, word = found.setdefault(heard.reply.service, ServiceSeen()), _word(heard)
        seen.words[word] += 1
        if word != State.UP.value:
            seen.unwell.append((heard, word))
    for service, seen in found.items():
        seen.live, seen.wanted = _live(entries.get(service), seen.words.total(), silent.get(service, set()))
    return dict(sorted(found.items()))


def _live(entry: ServiceEntry | None, answered: int, silent: set[str]) -> tuple[int, int]:
    """How many are live of how many; whoever has just been silent is not live, whatever his last heartbeat said."""
    if entry is None:
        return answered, answered + len(silent)
    live = [one for one in entry.instances if one.state is InstanceState.LIVE and one.instance not in silent]
    return len(live), len(entry.instances) + entry.lacking


def service_lines(found: dict[str, ServiceSeen]) -> Iterator[RenderableType]:
    """A row per service; of many services the unwell ones, and the well ones in one line."""
    if len(found) <= MOST_ROWS:
        yield _table(found)
        return
    unwell = {service: seen for service, seen in found.items() if not seen.well}
    shown = dict(list(unwell.items())[:MOST_ROWS])
    if shown:
        yield _table(shown)
    if len(unwell) > len(shown):
        yield more_line(len(unwell) - len(shown))
    well = [seen for service, seen in found.items() if service not in unwell]
    if well:
        instances = plural(sum(seen.live for seen in well), "instance")
        yield Text.assemble(
            f"{plural(len(well), 'service')}{' more' if unwell else ''}: all {instances} live and ", verdict("up")
        )


def _table(found: dict[str, ServiceSeen]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("SERVICE", overflow="fold", min_width=8)
    table.add_column("LIVE", no_wrap=True, justify="right")
    table.add_column("HEALTH", overflow="fold")
    table.add_column("WORST" if any(seen.unwell for seen in found.values()) else "", overflow="fold")
    for service, seen in found.items():
        live = Text(f"{seen.live}/{seen.wanted}", "" if seen.live == seen.wanted else "red")
        table.add_row(Text(service, "bold"), live, _counts(seen.words), _worst(seen.unwell))
    return table


def _rank(word: str) -> int:
    return ORDER.index(word) if word in ORDER else len(ORDER)


def _counts(words: Counter[str]) -> Text:
    text = Text()
    for word in sorted(words, key=_rank):
        text.append(", " if text else "").append(f"{words[word]} ").append_text(verdict(word))
    return text or Text("not seen", "yellow")


def _worst(unwell: list[tuple[Heard[Any], str]]) -> Text:
    """The worst instance with its reason, then the names of the next ones; empty when all are up."""
    if not unwell:
        return Text()
    (heard, word), *others = sorted(unwell, key=lambda pair: -_rank(pair[1]))
    text = Text.assemble((heard.reply.instance, "bold"), " ", verdict(word), f": {_reason(heard)}")
    if others:
        text.append(f"; also {names([one.reply.instance for one, _ in others])}", "dim")
    return text


def _word(heard: Heard[Health]) -> str:
    """The state in a word; of a reply that is no answer its status."""
    try:
        return heard.answer.state.value
    except (Refusal, Unreadable):
        return heard.reply.status.value if heard.problem is not None else "unreadable"


def _reason(heard: Heard[Health]) -> str:
    if heard.problem is not None:
        return heard.problem.detail or heard.problem.error
    try:
        return heard.answer.reason
    except Unreadable as error:
        return str(error)
