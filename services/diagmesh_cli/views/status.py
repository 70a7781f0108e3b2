"""`status`: the whole mesh at a look: a line per service, then the silent with the reason, then what was not seen."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from diagmesh.client import Heard, MeshResult
from diagmesh.contract.answers.health import Health
from diagmesh.contract.directory import Services
from diagmesh.contract.mesh import Ended
from diagmesh.contract.wire import Blind
from diagmesh.errors import Refusal, Unreadable
from diagmesh_cli.views.parts import bounded, finding_lines, indented, not_asked_lines, silent_lines, unexpected_lines
from diagmesh_cli.views.per_service import ORDER, ServiceSeen, seen_per_service, service_lines
from diagmesh_cli.views.services import coordinator_lines, doubts
from diagmesh_cli.views.words import plural, verdict

__all__ = ["MeshStatus", "status_view"]


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
    health, found = status.health.answer, seen_per_service(status.services, status.health)
    parts: list[RenderableType] = [_headline(status, found), Text(), *service_lines(found)]
    parts += finding_lines(health.findings)
    parts += silent_lines(health.silent)
    parts += not_asked_lines(health.not_asked)
    parts += unexpected_lines(health.unexpected)
    parts += bounded(_blind(status.health.each), _not_seen)
    if health.ended not in (Ended.COMPLETE, Ended.WARMING):
        parts.append(indented(Text(f"the look ended early: {health.ended}", "yellow")))
    parts += bounded(health.notes, lambda note: [indented(Text(f"note: {note}", "dim"))])
    if status.services is not None:
        parts += [Text(), *coordinator_lines(status.services), *doubts(status.services)]
    return Group(*parts)


def _headline(status: MeshStatus, found: dict[str, ServiceSeen]) -> Text:
    health = status.health.answer
    field = health.fields.get("state")
    total = Counter(field.counts) if field is not None else sum((seen.words for seen in found.values()), Counter())
    services = len(status.services.services) if status.services is not None else len(found)
    text = Text.assemble((plural(services, "service"), "bold"), " · ")
    text.append(f"{health.answered} of {plural(health.expected, 'instance')} answered")
    for word in ORDER:
        if total[word]:
            text.append(f" · {total[word]} ").append_text(verdict(word))
    return text.append(f" · {len(health.silent)} silent", "red") if health.silent else text


def _blind(each: Sequence[Heard[Health]]) -> Iterator[tuple[str, Blind]]:
    """What the health looks themselves could not judge, and where."""
    for heard in each:
        try:
            yield from ((heard.where, one) for one in heard.answer.blind)
        except (Refusal, Unreadable):
            continue  # told as the state of its service


def _not_seen(where_and_what: tuple[str, Blind]) -> Iterator[RenderableType]:
    where, one = where_and_what
    text = Text.assemble(("not seen ", "yellow"), (where, "bold"), f" {one.what}: {one.why}")
    yield indented(text.append(f" ({one.fix})", "dim") if one.fix else text)
