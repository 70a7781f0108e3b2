"""A store without a server, for unit tests: same contract, same refusals, and it can be made to fail."""

from diagmesh.bus.core import Entry
from diagmesh.errors import StoreConflict, StoreUnavailable

__all__ = ["MemoryStore"]


class MemoryStore:
    """Implements `diagmesh.bus.core.Store`. Nothing expires by itself: a test says `expire`.

    Attributes:
        trouble: as long as it is set, everything fails with it.
        writes: how often a value was written.
    """

    def __init__(self) -> None:
        self.trouble: StoreUnavailable | None = None
        self.writes = 0
        self.ttls: dict[str, int] = {}
        self._made = 1
        self._entries: dict[str, Entry] = {}
        self._revision = 0

    async def open(self) -> str:
        """See `diagmesh.bus.core.Store.open`."""
        self._check()
        return str(self._made)

    async def read(self, after: int = 0) -> list[Entry]:
        """See `diagmesh.bus.core.Store.read`."""
        self._check()
        return sorted((one for one in self._entries.values() if one.revision > after), key=lambda one: one.revision)

    async def put(self, key: str, value: bytes, *, last: int, ttl_s: int) -> int:
        """See `diagmesh.bus.core.Store.put`."""
        self._check()
        known = self._entries.get(key)
        if (known.revision if known is not None else 0) != last:
            raise StoreConflict(f"{key}: somebody else has written it")
        self.writes += 1
        self.ttls[key] = ttl_s
        return self.lay(key, value)

    def lay(self, key: str, value: bytes) -> int:
        """Put a value there without asking; returns its revision."""
        self._revision += 1
        self._entries[key] = Entry(key=key, value=value, revision=self._revision)
        return self._revision

    def expire(self, key: str) -> None:
        """The time of a value is over."""
        del self._entries[key]

    def replace(self) -> None:
        """The bucket is deleted, and made anew by whoever opens it."""
        self._made += 1
        self._revision = 0
        self._entries.clear()

    def _check(self) -> None:
        if self.trouble is not None:
            raise self.trouble
