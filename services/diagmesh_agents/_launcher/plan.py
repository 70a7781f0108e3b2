"""What the launcher is to do, as words of its command line."""

import json
from collections.abc import Sequence
from typing import NamedTuple, Self

__all__ = ["Plan"]


class Plan(NamedTuple):
    """What to start, beside what, and what to do at its end.

    Args:
        service: its name.
        instance: its name.
        command: program and arguments of the service.
        sidecar: arguments of the sidecar.
        state_dir: where exit records and the log of the sidecar are kept.
        linger_s: how long the sidecar answers after the end.
        restart: whether a failed service is started again.
        kept: descriptors to hold until the end, and to hand on to nobody (they keep the name of the instance).
    """

    service: str
    instance: str
    command: list[str]
    sidecar: list[str]
    state_dir: str
    linger_s: float
    restart: bool
    kept: list[int]

    def encode(self) -> list[str]:
        """As words: all but the command in the first one, for Linux bounds each word (execve(2): 128 KiB)."""
        return [json.dumps({**self._asdict(), "command": []}), *self.command]

    @classmethod
    def decode(cls, words: Sequence[str]) -> Self:
        """From these words."""
        return cls(**{**json.loads(words[0]), "command": list(words[1:])})
