"""Who was live when our connection broke and was not heard since it is back: not lost, as long as it may still come."""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from diagmesh.contract.directory import InstanceState
from diagmesh.expected import Absence, Key

__all__ = ["Returning"]

_PATIENCE_S: Final = 3.0
"""A sidecar is back within two seconds of its server; whoever is not by now is missing as at any other time."""


class Returning:
    """Those that have to come back after our own connection did. Pure; time is passed in."""

    def __init__(self) -> None:
        self.back_at = float("-inf")
        self._away: set[Key] = set()

    def begin(self, live: Collection[Key], now: float) -> None:
        """Our connection is back: from now on these are waited for, one by one."""
        self.back_at = now
        self._away = set(live)

    def heard(self, key: Key) -> None:
        """This one is back, or has said goodbye; called for each heartbeat."""
        self._away.discard(key)

    def away(self, now: float) -> AbstractSet[Key]:
        """Who was not heard yet; after three seconds that is nobody's business any longer."""
        if self._away and now - self.back_at >= _PATIENCE_S:
            self._away = set()
        return self._away

    def absences(self, away: AbstractSet[Key], now: float) -> Mapping[Key, Absence]:
        """What can be said of those that were not there when they were to be asked."""
        detail = (
            f"the server was back for {now - self.back_at:.1f} s only, and its sidecar had not returned yet;"
            " the service itself was not seen"
        )
        return dict.fromkeys(away, Absence(InstanceState.UNKNOWN, detail))
