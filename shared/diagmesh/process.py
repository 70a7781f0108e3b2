"""What every long-running program of ours does: uvloop, signals, a bounded drain, one JSON line per log record."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import uvloop

from diagmesh.accept import log_number
from diagmesh.errors import DiagmeshError, SettingsError
from diagmesh.workers import KindThreads

__all__ = ["EXIT_FAULT", "EXIT_MESH", "EXIT_OK", "EXIT_USAGE", "checked_first", "log_to_stderr", "run"]

EXIT_OK: Final = 0
EXIT_MESH: Final = 3
EXIT_USAGE: Final = 64
EXIT_FAULT: Final = 70
_EXIT_SECOND_SIGNAL: Final = 130

log = logging.getLogger("diagmesh")


class _JsonLines(logging.Formatter):
    """One JSON object a line, with the field names that the `logs` kind understands."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "component": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_to_stderr(level: str) -> None:
    """Log JSON lines to standard error.

    Raises:
        SettingsError: no such level.
    """
    number = log_number(level)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=number, handlers=[handler], force=True)


def run(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run ``main(stop)`` on uvloop until it returns; SIGTERM and SIGINT set ``stop``, a second one ends at once.

    Returns:
        What ``main`` returns; 64 for wrong settings, 3 when the mesh cannot be had, 70 for our own fault.
    """
    _open_standard_streams()
    threads = KindThreads()

    async def guarded() -> int:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(threads)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _on_signal, stop)
        return await main(stop)

    code = checked_first(lambda: uvloop.run(guarded()))
    if threads.running():
        # A look that hangs in the kernel cannot be ended; the interpreter would wait for its thread for ever.
        logging.shutdown()
        sys.stderr.flush()
        os._exit(code)
    return code


def checked_first(main: Callable[[], int]) -> int:
    """Run ``main()``; returns what it returns, or the exit code of what it raises, told in one sentence."""
    try:
        return main()
    except SettingsError as error:
        print(f"diagmesh: {error}", file=sys.stderr)  # noqa: T201  the last word of a program that does not start
        return EXIT_USAGE
    except DiagmeshError as error:
        print(f"diagmesh: {error}", file=sys.stderr)  # noqa: T201  the last word of a program that does not start
        return EXIT_MESH
    except Exception:
        log.exception("our own fault")
        return EXIT_FAULT


def _open_standard_streams() -> None:
    """Whoever started us may have closed them; a socket of ours must not take their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _on_signal(stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(_EXIT_SECOND_SIGNAL)
    stop.set()
