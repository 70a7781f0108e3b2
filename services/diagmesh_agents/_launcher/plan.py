"""What the launcher is to do, as one word of its command line."""

import json
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

    def encode(self) -> str:
        """As one word."""
        return json.dumps(self._asdict())

    @classmethod
    def decode(cls, word: str) -> Self:
        """From that word."""
        return cls(**json.loads(word))
