"""Secrets that more people may read than should."""

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from diagmesh.settings import NatsSettings

__all__ = ["exposed"]

_SECRETS: Final = ("nkey_file", "creds_file", "tls_key_file")


def exposed(settings: NatsSettings, where: str = "nats") -> Iterator[str]:
    """What is wrong with the mode of each file that holds a secret, and how to mend it.

    Args:
        settings: of one connection.
        where: its table, for messages.
    """
    for key in _SECRETS:
        path = getattr(settings, key)
        if not path:
            continue
        try:
            found = Path(path).stat()
        except OSError:
            continue  # whoever opens it says so
        # A mounted secret is not ours to change, and often readable to us by its group only.
        group_is_ours = found.st_uid != os.geteuid() and os.geteuid() != 0
        if found.st_mode & (stat.S_IROTH if group_is_ours else stat.S_IROTH | stat.S_IRGRP):
            yield f"{where}.{key}: others may read {path}; run: chmod 600 {shlex.quote(path)}"
