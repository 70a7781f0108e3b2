"""What to ask whom, and when to stop."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from diagmesh.contract import subjects
from diagmesh.expected import Expected, Key

__all__ = ["Ask", "Lacking", "Plan", "agent_budget_ms", "asks_for"]

_AGENT_SHARE: Final = 0.9


class Ask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One question on the wire: to all instances of a service, or to one of them."""

    service: str
    instance: str = ""

    def subject(self, kind: str) -> str:
        """Where it is published."""
        if self.instance:
            return subjects.ask_instance(self.service, kind, self.instance)
        return subjects.ask_all(self.service, kind)

    def means(self, key: Key) -> bool:
        """Whether this instance should answer it."""
        return key[0] == self.service and self.instance in ("", key[1])


class Lacking(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Declared replicas of one service that were never seen.

    Args:
        count: how many of the declared are lacking.
        declared: how many there should be.
    """

    service: str
    count: int
    declared: int


class Plan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What to ask whom, and when to stop.

    Args:
        kind: the question.
        asks: the questions to publish.
        expected: who should answer; the live among them are waited for.
        hoped: names that were learned but that nobody vouches for: waited for, never called silent.
        lacking: declared replicas that were never seen: expected and silent without being asked.
        warming: whoever made this plan has not heard for long enough to know who should be there.
        body: the request body.
        timeout_s: the longest that this may take.
        limit: stop after so many replies.
        quiet_s: stop when nothing came for so long although somebody may still answer; None waits for the known.
        first_s: with ``quiet_s``, how long to wait for the first reply.
    """

    kind: str
    asks: tuple[Ask, ...]
    expected: tuple[Expected, ...] = ()
    hoped: frozenset[Key] = frozenset()
    lacking: tuple[Lacking, ...] = ()
    warming: bool = False
    body: bytes = b""
    timeout_s: float = 2.0
    limit: int | None = None
    quiet_s: float | None = None
    first_s: float | None = None


def agent_budget_ms(wait_s: float) -> int:
    """What an agent is given by somebody who waits so long: a little less, so that its word of being late arrives."""
    return max(1, int(wait_s * 1000 * _AGENT_SHARE))


def asks_for(chosen: Sequence[Key], totals: Mapping[str, float]) -> tuple[Ask, ...]:
    """One question per service where all of it was chosen, else one per instance.

    Args:
        chosen: whom to ask.
        totals: how many instances each service has.
    """
    by_service: dict[str, list[Key]] = {}
    for key in chosen:
        by_service.setdefault(key.service, []).append(key)
    asks: list[Ask] = []
    for service, keys in sorted(by_service.items()):
        if len(keys) >= totals.get(service, 0):
            asks.append(Ask(service=service))
        else:
            asks.extend(Ask(service=service, instance=key.instance) for key in sorted(keys))
    return tuple(asks)
