"""Who is expected to answer, who did, and why somebody did not: as directory, gather and sum tell each other."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from diagmesh.contract.directory import InstanceState, Rival
from diagmesh.contract.mesh import Ended, NotAsked, Silent, Unexpected
from diagmesh.contract.wire import Reply

__all__ = ["NOT_PERMITTED", "Absence", "Expected", "Gathered", "Key", "label"]

NOT_PERMITTED: Final = "this role may not ask the server for its connections (CONNZ)"


class Key(NamedTuple):
    """An instance, told apart from all others."""

    service: str
    instance: str


class Expected(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One instance that should answer.

    Args:
        key: service and instance.
        live: whether its heartbeats are in time: only the live are waited for, all are asked.
        heard_at: when it was last heard, monotonic seconds.
        last_seen: the same for people.
        server: name of the NATS server that its sidecar was connected to.
        interval_s: pace of its heartbeats; 0 where that is not known.
    """

    key: Key
    live: bool = True
    heard_at: float = 0.0
    last_seen: datetime | None = None
    server: str = ""
    interval_s: float = 0.0


class Absence(msgspec.Struct, frozen=True, gc=False):
    """Why an expected instance was not heard; ``detail`` says what that does and does not mean.

    ``since`` is when its sidecar (or the leafnode before it) connected, in monotonic seconds, where that is known.
    """

    state: InstanceState
    detail: str
    since: float | None = None

    def __str__(self) -> str:
        """The reason as it stands on the wire: the state, then what it means."""
        return f"{self.state}: {self.detail}"


class Gathered(msgspec.Struct, kw_only=True):
    """What came, who is missing and why, and why it stopped.

    Args:
        expected: how many should have answered, with those that answered unknown and those declared but never seen.
        silent: the expected who were not heard; of the declared replicas that were never seen only the first are named.
        unnamed: how many declared replicas that were never seen are not named among the silent.
        not_asked: who should have been asked, or perhaps, and was not, with the reason; they count as expected.
        newcomers: instances that answered although nobody knew of them; they count as expected.
        not_waited_for: how many expected were not heard because of a limit or our own connection; never silent.
        took_s: time from the first question to the end.
        asked_at: when the first question was asked, by our wall clock.
        arrived_s: for each reply, how long after that it came, by our monotonic clock.
        rivals: instances for which several sidecars replied to one question.
    """

    kind: str
    replies: list[Reply]
    silent: tuple[Silent, ...]
    unnamed: int = 0
    unexpected: tuple[Unexpected, ...]
    expected: int
    newcomers: tuple[Key, ...]
    not_waited_for: int
    ended: Ended
    took_s: float
    notes: tuple[str, ...]
    asked_at: datetime | None = None
    arrived_s: Sequence[float] = ()
    rivals: Mapping[Key, tuple[Rival, ...]] = {}
    not_asked: tuple[NotAsked, ...] = ()


def label(key: Key) -> str:
    """``service/instance``, as answers and people write it."""
    return f"{key.service}/{key.instance}"
