"""What to ask whom, and when to stop."""

from typing import Final

import msgspec

from diagmesh.contract import subjects
from diagmesh.contract.mesh import NotAsked
from diagmesh.expected import Expected, Key

__all__ = ["Ask", "Lacking", "Plan", "agent_budget_ms"]

_AGENT_SHARE: Final = 0.9


class _Common(msgspec.Struct, gc=False):
    chunks: bool = False


_common: Final = msgspec.json.Decoder(_Common)


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
        not_asked: who may be meant and is not asked, with the reason.
        notes: what limits this plan.
        batches: who is asked together, one batch after the other; none asks all at once.
        pause_s: between two batches.
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
    not_asked: tuple[NotAsked, ...] = ()
    notes: tuple[str, ...] = ()
    batches: tuple[tuple[Key, ...], ...] = ()
    pause_s: float = 0.0

    @property
    def takes_chunks(self) -> bool:
        """Whether the question says that its asker can put chunks together."""
        try:
            return bool(self.body) and _common.decode(self.body).chunks
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return False


def agent_budget_ms(wait_s: float) -> int:
    """What an agent is given by somebody who waits so long: a little less, so that its word of being late arrives."""
    return max(1, int(wait_s * 1000 * _AGENT_SHARE))
