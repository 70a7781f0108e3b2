"""The shared memory of launcher, pump and sidecar: what the launcher knows, and the output, without any lock."""

import contextlib
import json
import os
import struct
import time
import zlib
from mmap import mmap
from typing import Any, Final

from diagmesh_agents._launcher.area import AREA_BYTES, Area

__all__ = ["Memory"]

_SLOT_BYTES: Final = 256 * 1024
_SLOTS_AT: Final = 4096
_AREAS_AT: Final = _SLOTS_AT + 2 * _SLOT_BYTES
_BYTES: Final = _AREAS_AT + 2 * AREA_BYTES
_TURN, _TOLD, _BEGUN = 0, 8, 16
_number: Final = struct.Struct("<Q")
_slot: Final = struct.Struct("<II")


class Memory:
    """One mapping of it. Pages that nobody writes to are never there.

    Args:
        descriptor: of the memory; see `create`.
    """

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap(descriptor, _BYTES)
        self.of_pump = Area(self._memory, _AREAS_AT)
        self.of_launcher = Area(self._memory, _AREAS_AT + AREA_BYTES)
        self._known: tuple[int, dict[str, Any]] = (0, {})

    @staticmethod
    def create() -> int:
        """A descriptor of fresh memory, closed in programs that are started unless it is handed on."""
        descriptor = os.memfd_create("diagmesh-launcher", os.MFD_CLOEXEC)
        os.truncate(descriptor, _BYTES)
        return descriptor

    def tell(self, state: dict[str, Any]) -> None:
        """What the launcher knows now. Two slots in turn: whoever reads finds a whole one at any moment."""
        turn = self._get(_TURN) + 1
        text = json.dumps(state).encode()
        room = _SLOT_BYTES - _slot.size
        if len(text) > room:
            exits = [{**one, "last_words": ""} for one in state.get("exits", ())]
            text = json.dumps({**state, "exits": exits}).encode()
        at = _SLOTS_AT + turn % 2 * _SLOT_BYTES
        self._memory[at : at + _slot.size + len(text)] = _slot.pack(len(text), zlib.crc32(text)) + text
        self._set(_TURN, turn)

    def state(self) -> dict[str, Any]:
        """What the launcher told last; empty before that."""
        for _ in range(3):
            turn = self._get(_TURN)
            if turn in (0, self._known[0]):
                break
            at = _SLOTS_AT + turn % 2 * _SLOT_BYTES
            size, check = _slot.unpack_from(self._memory, at)
            text = bytes(self._memory[at + _slot.size : at + _slot.size + min(size, _SLOT_BYTES)])
            if zlib.crc32(text) == check:
                self._known = (turn, json.loads(text))
        return self._known[1]

    @property
    def told(self) -> int:
        """The number of the last exit that the sidecars told the mesh of."""
        return self._get(_TOLD)

    @told.setter
    def told(self, number: int) -> None:
        self._set(_TOLD, number)

    @property
    def begun_at(self) -> float:
        """When a sidecar last began to tell the mesh, monotonic seconds; 0: none has."""
        return self._get(_BEGUN) / 1e9

    def begin(self) -> None:
        """From now on a sidecar tells the mesh."""
        self._set(_BEGUN, time.monotonic_ns())

    def close(self) -> None:
        """Give the mapping back."""
        with contextlib.suppress(BufferError):
            self._memory.close()

    def _get(self, at: int) -> int:
        return int(_number.unpack_from(self._memory, at)[0])

    def _set(self, at: int, value: int) -> None:
        _number.pack_into(self._memory, at, value)
