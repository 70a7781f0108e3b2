"""The signals that the launcher hears, as numbers on a socket that its loop waits for."""

import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import Final

__all__ = ["arriving"]

_FORWARDED: Final = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT", "SIGTSTP")


@contextlib.contextmanager
def arriving() -> Iterator[socket.socket]:
    """Where the numbers of signals arrive. What we were started to ignore stays ignored, by the service too."""
    arrive, wake = socket.socketpair()
    arrive.setblocking(False)
    wake.setblocking(False)
    for name in (*_FORWARDED, "SIGCHLD"):
        number = getattr(signal, name)
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    try:
        yield arrive
    finally:
        signal.set_wakeup_fd(-1)
        arrive.close()
        wake.close()
