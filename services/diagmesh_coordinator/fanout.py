"""`diag.mesh.<kind>`: ask them all, or a selection, and add the answers up; for any kind that any agent answers."""

import time
from typing import Final

import msgspec

from diagmesh.aggregate import add_up
from diagmesh.bus.core import Bus
from diagmesh.contract.codec import encode
from diagmesh.contract.mesh import Field, MeshAnswer
from diagmesh.contract.wire import ANSWER_LIMIT_BYTES, Answer
from diagmesh.errors import MessageTooLarge, NotPermitted, Unavailable
from diagmesh.expected import Gathered
from diagmesh.gather import Gather, Plan
from diagmesh.serve import Asked
from diagmesh_coordinator.choice import Choice, choose
from diagmesh_coordinator.directory import Directory
from diagmesh_coordinator.question import FanoutQuestion

__all__ = ["fan_out", "fitted", "gather_s"]

_AGENT_SHARE: Final = 0.9
"""An agent gets a little less time than we wait, so that its word of being late still arrives."""
_RESERVE_S: Final = 0.25
_RESERVE_SHARE: Final = 0.1
_ENVELOPE_BYTES: Final = 4096
_MOST_SILENT: Final = 500
_MOST_NAMED: Final = 50
_MOST_FINDINGS: Final = 200


def gather_s(budget_s: float) -> float:
    """How long may be waited for answers within a budget: a rest is kept to add them up and reply."""
    return budget_s - min(_RESERVE_S, _RESERVE_SHARE * budget_s)


async def fan_out(
    bus: Bus, directory: Directory, answer: type[Answer] | None, question: FanoutQuestion, asked: Asked
) -> MeshAnswer:
    """Ask, gather, add up.

    Args:
        bus: our connection.
        directory: who should answer.
        answer: the answer type of the kind; None when it is not known here.
        question: with the selection.
        asked: kind and budget.

    Raises:
        Refusal: `Declined` for a selection that means nobody; `Unavailable` when we may not ask.
    """
    began = time.monotonic()
    budget_s = gather_s(asked.budget_s)
    hoped = await directory.hoped(budget_s / 2)
    warming = directory.warming
    choice = choose(directory.roster, question.chosen, hoped, directory.now(), warming=warming)
    plan = Plan(
        kind=asked.kind,
        asks=choice.asks,
        expected=choice.expected,
        hoped=choice.hoped,
        body=question.body(budget_s * _AGENT_SHARE),
        timeout_s=max(0.01, budget_s - (time.monotonic() - began)),
        limit=question.chosen.limit,
    )
    try:
        gathered = await Gather(bus, plan, directory.absences).run()
    except (NotPermitted, MessageTooLarge) as error:
        raise Unavailable(f"the coordinator cannot ask: {error}") from None
    _with_lacking(gathered, choice, empty=not plan.expected and not plan.hoped and not warming)
    total = add_up(gathered, answer, each=question.chosen.each, lacking=len(choice.lacking), warming=warming)
    problems = directory.problems()
    if problems:
        total = msgspec.structs.replace(total, notes=(*total.notes, *problems))
    return fitted(total, min(ANSWER_LIMIT_BYTES, bus.max_payload) - _ENVELOPE_BYTES)


def _with_lacking(gathered: Gathered, choice: Choice, *, empty: bool) -> None:
    if choice.lacking:
        gathered.silent = (*gathered.silent, *choice.lacking)
    if empty and not gathered.replies:
        gathered.notes = (*gathered.notes, "nobody is known: no sidecar was heard of (is one running, on this server?)")


def fitted(total: MeshAnswer, limit_bytes: int) -> MeshAnswer:
    """A sum that fits into one message: details are dropped first, each with a note, the sum itself never."""
    size = len(encode(total))
    if size > limit_bytes and total.each is not None:
        total = _noted(total, f"the single replies were left out: with them this answer has {size} bytes", each=None)
        size = len(encode(total))
    if size > limit_bytes:
        cut = {name: _short(field) for name, field in total.fields.items()}
        findings = tuple(
            msgspec.structs.replace(one, instances=one.instances[:_MOST_NAMED], evidence=one.evidence[:5])
            for one in total.findings[:_MOST_FINDINGS]
        )
        total = _noted(
            total,
            f"only the first {_MOST_SILENT} of {len(total.silent)} silent and {_MOST_NAMED} of each list are named",
            silent=total.silent[:_MOST_SILENT],
            fields=cut,
            findings=findings,
        )
    return total


def _noted(total: MeshAnswer, note: str, **changes: object) -> MeshAnswer:
    return msgspec.structs.replace(total, notes=(*total.notes, note), **changes)


def _short(field: Field) -> Field:
    return msgspec.structs.replace(field, worst_at=field.worst_at[:_MOST_NAMED])
