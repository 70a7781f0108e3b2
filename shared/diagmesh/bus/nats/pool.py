"""Which server is tried next: those of the settings in an order of our own, then the peers that they tell of."""

import random
from collections.abc import Sequence

__all__ = ["Pool"]


class Pool:
    """The servers of one connection.

    Args:
        urls: of the settings; shuffled, so that many sidecars with one list do not all stand on its first server.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self.named = random.sample(urls, len(urls))
        self._peers: list[str] = []
        self._last = ""

    def next(self) -> str:
        """The server after the one that was tried last: who was lost is not the first to be tried again."""
        everyone = [*self.named, *self._peers]
        after = everyone.index(self._last) + 1 if self._last in everyone else 0
        self._last = everyone[after % len(everyone)]
        return self._last

    def learn(self, peers: Sequence[str]) -> None:
        """A server has told of these."""
        fresh = [url for url in dict.fromkeys(peers) if url not in self.named]
        self._peers = random.sample(fresh, len(fresh))

    def has_other_than(self, url: str) -> bool:
        """Whether there is anywhere else to go."""
        return any(one != url for one in (*self.named, *self._peers))
