"""`diag.mesh.<kind>`: ask them all, or a selection, and add the answers up; for any kind that any agent answers."""

import math
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

import msgspec

from diagmesh.aggregate import add_up
from diagmesh.bus.core import Bus
from diagmesh.contract.chunks import reply_limit
from diagmesh.contract.mesh import MeshAnswer, MeshQuestion
from diagmesh.contract.wire import Answer
from diagmesh.errors import MessageTooLarge, NotPermitted, Unavailable
from diagmesh.expected import Key
from diagmesh.gather import BatchGather, Gather, Plan, agent_budget_ms, choose, gathering
from diagmesh.serve import Asked, Identity
from diagmesh_coordinator.bundles import Away, Shelf, put_away
from diagmesh_coordinator.directory import Directory
from diagmesh_coordinator.fitting import fitted
from diagmesh_coordinator.pieces import fetching
from diagmesh_coordinator.question import FanoutQuestion

__all__ = ["coordinators_plan", "fan_out", "fan_out_coordinators", "gather_s"]

_RESERVE_S: Final = 0.25
_RESERVE_SHARE: Final = 0.1
_ENVELOPE_BYTES: Final = 4096
_PUT_REST_S: Final = 0.1
"""Left to reply after files were put away."""


def gather_s(budget_s: float) -> float:
    """How long may be waited for answers within a budget: a rest is kept to add them up and reply."""
    return budget_s - min(_RESERVE_S, _RESERVE_SHARE * budget_s)


async def fan_out(
    bus: Bus,
    directory: Directory,
    answer: type[Answer] | None,
    question: FanoutQuestion,
    asked: Asked,
    shelf: Shelf | None = None,
) -> MeshAnswer:
    """Ask, gather, add up.

    Args:
        bus: our connection.
        directory: who should answer.
        answer: the answer type of the kind; None when it is not known here.
        question: with the selection.
        asked: kind and budget.
        shelf: where files go that do not fit into a reply; None for nowhere.

    Raises:
        Refusal: `Declined` for a selection that means nobody, or batches that take longer; `Unavailable` when we may
            not ask.
    """
    began = time.monotonic()
    budget_s = gather_s(asked.budget_s)
    not_back = await directory.not_back(budget_s / 2)
    hoped = await directory.hoped(max(0.0, budget_s / 2 - (time.monotonic() - began)))
    choice = choose(directory.roster, question.chosen, hoped, directory.now(), warming=directory.warming)
    left_s = max(0.01, budget_s - (time.monotonic() - began))
    body = question.body(agent_budget_ms(choice.share_s(left_s)))
    plan = _not_waiting_for(not_back, choice.plan(asked.kind, body, left_s))
    round_ = gathering(bus, plan, partial(directory.absences, not_back=not_back))
    total = await _added_up(round_, directory.problems, answer, question.chosen)
    limit_bytes = _limit_bytes(bus, question.chosen)
    left_s = asked.budget_s - _PUT_REST_S - (time.monotonic() - began)
    total = await put_away(total, asked.kind, Away(shelf, fetching(bus), left_s), limit_bytes, msgpack=asked.msgpack)
    return fitted(total, limit_bytes, msgpack=asked.msgpack)


async def fan_out_coordinators(
    bus: Bus, directory: Directory, us: Identity, answer: type[Answer], question: FanoutQuestion, asked: Asked
) -> MeshAnswer:
    """Ask all coordinators how they are themselves, this one too, and add that up.

    Raises:
        Refusal: as `fan_out`.
    """
    left_s = gather_s(asked.budget_s)

    def body(share_s: float) -> bytes:
        return question.body(agent_budget_ms(share_s))

    plan = coordinators_plan(directory, us, question.chosen, asked.kind, body, left_s)
    round_ = gathering(bus, plan, directory.absences)
    total = await _added_up(round_, directory.problems, answer, question.chosen)
    return fitted(total, _limit_bytes(bus, question.chosen), msgpack=asked.msgpack)


def coordinators_plan(
    directory: Directory,
    us: Identity,
    chosen: MeshQuestion,
    kind: str,
    body: Callable[[float], bytes],
    timeout_s: float,
) -> Plan:
    """How the coordinators are asked: those that are known or declared, and always ourselves.

    Args:
        directory: who is known.
        us: who we are.
        chosen: which of them.
        kind: the question.
        body: its body for one that may take so many seconds.
        timeout_s: the longest that all of it may take.

    Raises:
        Declined: the selection means nobody, or its batches do not fit into the time.
    """
    ourselves = frozenset({Key(us.service, us.instance)})
    listing = directory.coordinators
    choice = choose(listing, chosen, ourselves, directory.now(), warming=directory.warming)
    live = tuple(one for one in choice.expected if one.live)
    # As many as there should be: those that were lost have been replaced.
    if len(live) >= (listing.declared(us.service) or math.inf):
        choice = choice.without([one.key for one in choice.expected if not one.live])
    return choice.plan(kind, body(choice.share_s(timeout_s)), timeout_s)


def _limit_bytes(bus: Bus, chosen: MeshQuestion) -> int:
    return reply_limit(bus.max_payload, chunks=chosen.chunks) - _ENVELOPE_BYTES


async def _added_up(
    round_: Gather | BatchGather,
    problems_now: Callable[[], tuple[str, ...]],
    answer: type[Answer] | None,
    chosen: MeshQuestion,
) -> MeshAnswer:
    try:
        gathered = await round_.run()
    except (NotPermitted, MessageTooLarge) as error:
        raise Unavailable(f"the coordinator cannot ask: {error}") from None
    total = add_up(gathered, answer, each=chosen.each)
    problems = problems_now()
    if problems:
        total = msgspec.structs.replace(total, notes=(*total.notes, *problems))
    return total


def _not_waiting_for(not_back: Collection[Key], plan: Plan) -> Plan:
    if not not_back:
        return plan
    expected = tuple(msgspec.structs.replace(one, live=one.live and one.key not in not_back) for one in plan.expected)
    return msgspec.structs.replace(plan, expected=expected)
