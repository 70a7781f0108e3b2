"""How whoever started a process of ours sees that it lives: systemd over its notify socket, others by a file's age.

Both are fed by the event loop, so a process that hangs stops telling. Neither says anything about NATS: nobody should
restart a process because a server is away.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from diagmesh.errors import SettingsError

__all__ = ["ALIVE_PACE_S", "alive"]

log = logging.getLogger("diagmesh.alive")

ALIVE_PACE_S: Final = 5.0
"""How often the file is touched; whoever looks at its age allows for a few of these."""
_SEND_S: Final = 0.5


@contextlib.asynccontextmanager
async def alive(file: str, environment: Mapping[str, str] = os.environ) -> AsyncIterator[None]:
    """Tell that we are ready, then that we live, until the end of the block; the file is gone after it.

    Args:
        file: touched every 5 s; empty for none.
        environment: where systemd says whom to tell (``NOTIFY_SOCKET``) and how often (``WATCHDOG_USEC``).

    Raises:
        SettingsError: the file cannot be written.
    """
    path = Path(file) if file else None
    if path is not None:
        try:
            path.touch(mode=0o644)
        except OSError as error:
            raise SettingsError(f"alive_file: cannot write {file}: {error.strerror}") from None
    address, pace_s = environment.get("NOTIFY_SOCKET", ""), _pace_s(environment)
    if not address and path is None:
        yield
        return
    await _notify(address, "READY=1")
    task = asyncio.get_running_loop().create_task(_beat(path, address, pace_s), name="alive")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        if path is not None:
            path.unlink(missing_ok=True)
        await _notify(address, "STOPPING=1")


def _pace_s(environment: Mapping[str, str]) -> float:
    """Twice as often as the watchdog wants it, and never less often than the file needs it."""
    watchdog = environment.get("WATCHDOG_USEC", "")
    if not watchdog.isdecimal() or environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return ALIVE_PACE_S
    return max(0.1, min(ALIVE_PACE_S, int(watchdog) / 2e6))


async def _beat(path: Path | None, address: str, pace_s: float) -> None:
    while True:
        await asyncio.sleep(pace_s)
        await _notify(address, "WATCHDOG=1")
        if path is not None:
            try:
                path.touch(mode=0o644)
            except OSError as error:  # a full or vanished disk is told by the age of the file, if at all
                log.warning("cannot touch %s: %s", path, error.strerror)


async def _notify(address: str, what: str) -> None:
    """One datagram to systemd (sd_notify(3)); it is never waited for longer than a moment."""
    if not address:
        return
    name = f"\0{address[1:]}" if address.startswith("@") else address
    deadline = time.monotonic() + _SEND_S
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as out:
        while True:
            try:
                out.sendto(what.encode(), name)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    await asyncio.sleep(0.02)
                    continue
                log.warning("whoever started us does not read what we tell (%s)", what)
            except OSError as error:
                log.warning("cannot tell %s to whoever started us: %s", what, error.strerror)
            return
