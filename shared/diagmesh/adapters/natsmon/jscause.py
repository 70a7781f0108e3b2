"""What holds a consumer up, from its counts, its rates and what the server said by itself. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from diagmesh.contract.answers.streams import Cause, ConsumerState, PoisonMessage, StreamState

__all__ = ["judged"]

_FEW: Final = 5
"""So few messages that come again and again are poison; more of them are a loop."""
_BEHIND: Final = 100
"""So many messages that wait are no accident of the moment."""
_OFTEN: Final = 3
_SHARE: Final = 0.1


def judged(
    told: ConsumerState, stream: StreamState | None, given_up: Sequence[PoisonMessage], over_s: float | None
) -> ConsumerState:
    """The consumer with its cause, its poison messages and what it lost.

    Args:
        told: with its rates, where there are any.
        stream: of which it is; None where that was not seen.
        given_up: messages that the server said came as often as allowed.
        over_s: what the rates rest on.
    """
    poison = _poison(told, stream, given_up)
    cause = _cause(told, poison, over_s)
    lost = max(told.lost, _lost(told, stream))
    return msgspec.structs.replace(told, cause=cause, poison=poison, lost=lost)


def _cause(told: ConsumerState, poison: Sequence[PoisonMessage], over_s: float | None) -> Cause:
    if told.leader == "" or told.paused_s is not None:
        return Cause.LEADERLESS if told.leader == "" else Cause.PAUSED
    again, first = _redeliveries(told, over_s), (told.delivered_per_s or 0.0) * (over_s or 0.0)
    tried = any(not one.given_up for one in poison)
    few = 0 < len(poison) <= _FEW and (again < first or first <= _FEW)
    if again >= _OFTEN and again > _by_time_alone(told, over_s) and not few:
        return Cause.LOOP
    if told.max_ack_pending is not None and told.ack_pending >= told.max_ack_pending and not told.acked_per_s:
        # One message alone may block a consumer that takes no second one before it.
        return Cause.POISON if tried else Cause.STALLED
    if poison:
        return Cause.POISON
    if again >= _OFTEN and again >= _SHARE * _deliveries(told, over_s):
        return Cause.LATE
    return _waiting(told)


def _waiting(told: ConsumerState) -> Cause:
    """Why messages wait that nothing above explains."""
    if told.push and not told.push_bound and (told.pending or told.ack_pending):
        return Cause.UNHEARD
    if not told.pending:
        return Cause.NONE
    if not told.push and not told.waiting and not told.delivered_per_s:
        return Cause.NOBODY
    return Cause.SLOW if told.pending >= _BEHIND else Cause.NONE


def _redeliveries(told: ConsumerState, over_s: float | None) -> float:
    """How many there were between the two looks."""
    return (told.redelivered_per_s or 0.0) * (over_s or 0.0)


def _deliveries(told: ConsumerState, over_s: float | None) -> float:
    return _redeliveries(told, over_s) + (told.delivered_per_s or 0.0) * (over_s or 0.0)


def _by_time_alone(told: ConsumerState, over_s: float | None) -> float:
    """So many redeliveries at most come of acknowledgements that are late or missing: each message once per wait."""
    if not told.ack_wait_s or over_s is None:
        return 0.0
    held = max(told.ack_pending, told.redelivered, _deliveries(told, over_s) / 2 if told.acked_per_s else 0)
    return held * (1.0 + over_s / told.ack_wait_s)


def _poison(
    told: ConsumerState, stream: StreamState | None, given_up: Sequence[PoisonMessage]
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
        and seq >= first
        and all(one.seq != seq for one in found)
    ):
        found.append(PoisonMessage(seq=seq))
    return tuple(found)


def _lost(told: ConsumerState, stream: StreamState | None) -> int:
    """Messages between the last delivery and the beginning of the stream: they were there, and are gone."""
    if stream is None or told.filtered or not told.whole or stream.keeps_last:
        return 0
    return max(0, stream.first_seq - 1 - told.delivered_seq)
