"""What holds a consumer up, from its counts, its rates and what the server said by itself. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from diagmesh.contract.answers.streams import Cause, ConsumerState, PoisonMessage, StreamState

__all__ = ["Lately", "judged"]

_FEW: Final = 5
"""So few messages that come again and again are poison; more of them are a loop."""
_BEHIND: Final = 100
"""So many messages that wait are no accident of the moment."""
_OFTEN: Final = 3
_MUCH: Final = 0.5
"""Redeliveries for each first delivery that make a loop; fewer are messages that are sent back now and then."""
_STUCK_S: Final = 10.0
_SHARE: Final = 0.1


class Lately(NamedTuple):
    """Between two looks.

    Args:
        over_s: how long that was.
        held: how many messages were not acknowledged at the first one.
    """

    over_s: float
    held: int


def judged(
    told: ConsumerState, stream: StreamState | None, given_up: Sequence[PoisonMessage], lately: Lately | None
) -> ConsumerState:
    """The consumer with its cause, its poison messages and what it lost.

    Args:
        told: with its rates, where there are any.
        stream: of which it is; None where that was not seen.
        given_up: messages that the server said came as often as allowed.
        lately: what the rates rest on; None without rates.
    """
    poison = _poison(told, stream, given_up, lately)
    cause = _cause(told, poison, lately)
    lost = max(told.lost, _lost(told, stream))
    return msgspec.structs.replace(told, cause=cause, poison=poison, lost=lost)


def _cause(told: ConsumerState, poison: Sequence[PoisonMessage], lately: Lately | None) -> Cause:
    if told.leader == "" or told.paused_s is not None:
        return Cause.LEADERLESS if told.leader == "" else Cause.PAUSED
    over_s = lately.over_s if lately is not None else 0.0
    again, first = (told.redelivered_per_s or 0.0) * over_s, (told.delivered_per_s or 0.0) * over_s
    tried = any(not one.given_up for one in poison)
    few = 0 < len(poison) <= _FEW and (again < first or first <= _FEW)
    sent_back = again >= _OFTEN and _sent_back(told, lately)
    if sent_back and again >= _MUCH * first and not few:
        return Cause.LOOP
    if told.max_ack_pending is not None and told.ack_pending >= told.max_ack_pending and not told.acked_per_s:
        # One message alone may block a consumer that takes no second one before it.
        return Cause.POISON if tried else Cause.STALLED
    if poison:
        return Cause.POISON
    if again >= _OFTEN and again >= _SHARE * (again + first) and not sent_back:
        return Cause.LATE
    return _waiting(told)


def _waiting(told: ConsumerState) -> Cause:
    """Why messages wait that nothing above explains.

    One that is not durable and that nobody uses was left by a client that is gone: the server removes it by itself.
    """
    if told.push and not told.push_bound and (told.pending or told.ack_pending):
        return Cause.UNHEARD if told.durable else Cause.NONE
    if not told.pending:
        return Cause.NONE
    if not told.push and not told.waiting and not told.delivered_per_s and not _at_work(told):
        return Cause.NOBODY if told.durable else Cause.NONE
    return Cause.SLOW if told.pending >= _BEHIND else Cause.NONE


def _at_work(told: ConsumerState) -> bool:
    """Whether somebody may still handle what he got last, and asks for no more meanwhile."""
    age_s, wait_s = told.delivered_age_s, told.ack_wait_s
    return bool(told.ack_pending) and age_s is not None and wait_s is not None and age_s < wait_s


def _sent_back(told: ConsumerState, lately: Lately | None) -> bool:
    """Whether there were more redeliveries than acknowledgements that are late or missing can make.

    A message that is only late comes once per ack wait, so that in any time each of those that are held comes so often
    at most; and for a steady rate of these, as many as come within one ack wait must be held.
    """
    if lately is None or not told.ack_wait_s or told.redelivered_per_s is None:
        return False
    held = max(told.ack_pending, lately.held)
    again = told.redelivered_per_s * lately.over_s
    by_each = held * (1.0 + lately.over_s / told.ack_wait_s)
    return again > by_each and told.redelivered_per_s * told.ack_wait_s > 2 * held + _OFTEN


def _poison(
    told: ConsumerState, stream: StreamState | None, given_up: Sequence[PoisonMessage], lately: Lately | None
) -> tuple[PoisonMessage, ...]:
    """What the server gave up, unless it is gone from the stream; and what it still tries while others pass."""
    first = stream.first_seq if stream is not None else 0
    found = [one for one in given_up if one.seq >= first]
    seq = told.acked_seq + 1
    others_pass = told.delivered_seq - told.acked_seq > told.ack_pending
    if (
        not told.filtered
        and 0 < told.redelivered <= _FEW
        and 0 < told.ack_pending <= _FEW
        and others_pass
        and told.acked_age_s is not None
        and _stuck(told, lately)
        and seq >= first
        and all(one.seq != seq for one in found)
    ):
        found.append(PoisonMessage(seq=seq))
    return tuple(found)


def _stuck(told: ConsumerState, lately: Lately | None) -> bool:
    """Whether acknowledgements stand still at one message for longer than one that is merely late holds them up."""
    long_s = min(2.0 * (told.ack_wait_s or 0.0), _STUCK_S)
    return lately is not None and lately.over_s >= long_s and told.acked_per_s == 0


def _lost(told: ConsumerState, stream: StreamState | None) -> int:
    """Messages between the last delivery and the beginning of the stream: they were there, and are gone."""
    if stream is None or told.filtered or not told.whole or stream.keeps_last:
        return 0
    return max(0, stream.first_seq - 1 - told.delivered_seq)
