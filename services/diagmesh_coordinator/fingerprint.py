"""By which settings a coordinator judges, in a few characters: two that differ may tell different things."""

import hashlib
from typing import Final

import msgspec

from diagmesh.settings import CoordinatorSettings

__all__ = ["fingerprint"]

_OF_ONE_ALONE: Final = ("nats", "instance", "log_level", "metrics", "alive_file", "operators", "concurrency")
"""These may differ between coordinators without a difference in what they say."""
_CHARACTERS: Final = 12


def fingerprint(settings: CoordinatorSettings) -> str:
    """The same for two coordinators that judge by the same rules, thresholds, replicas and times."""
    told = {name: value for name, value in msgspec.structs.asdict(settings).items() if name not in _OF_ONE_ALONE}
    return hashlib.sha256(msgspec.json.encode(told, order="deterministic")).hexdigest()[:_CHARACTERS]
