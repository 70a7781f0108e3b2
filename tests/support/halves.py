"""A network of two halves that can be parted without a word: namespaces with a wire, else relays on loopback."""

import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from support.ports import free_port
from support.programs import Program, wait_until
from support.relay import Relay

__all__ = ["Half", "Halves", "halves"]

_MADE_S: Final = 10.0
_LIVES_S: Final = "900"
"""A namespace ends with the process that holds it; this one ends by itself."""
_WIRE: Final = "wire"
_ADDRESSES: Final = ("198.18.0.1", "198.18.0.2")
"""Of the range for tests of networks (RFC 2544), seen in these two namespaces only."""
_NOBODY: Final = "02:00:00:00:00:99"
"""What is sent to this address is received by nobody: no refusal, no error, as with a cable that was cut far away."""


class Half(NamedTuple):
    """Where programs of one half run.

    Args:
        within: what stands before a command that is to run there.
        listen: where its server listens for clients, and for the other server.
        url: of its server, for clients of this half.
        route: the other server, as this one reaches it.
    """

    within: tuple[str, ...]
    listen: tuple[str, str]
    url: str
    route: str


class Halves:
    """Use it as a context manager. Made by `halves`."""

    kind = ""
    left: Half
    right: Half

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = ExitStack()

    def part(self) -> None:
        """From now on nothing of the one half arrives in the other."""
        raise NotImplementedError

    def join(self) -> None:
        """Everything arrives again."""
        raise NotImplementedError

    def _make(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self._make()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()


class _Namespaces(Halves):
    """Two namespaces of their own, with a pair of virtual interfaces between them and none to this machine."""

    kind = "network namespaces"

    def _make(self) -> None:
        here = Path("/proc/self/ns/net").readlink()
        self._holders = []
        for _ in _ADDRESSES:
            holder = self._stack.enter_context(Program(["unshare", "-n", "sleep", _LIVES_S], self._directory))
            place = Path("/proc", str(holder.pid), "ns", "net")
            wait_until(lambda place=place: place.readlink() != here, _MADE_S, "a namespace")  # type: ignore[misc]
            self._holders.append(holder.pid)
        one, other = map(str, self._holders)
        _run("ip", "link", "add", _WIRE, "netns", one, "type", "veth", "peer", "name", _WIRE, "netns", other)
        for number, address in enumerate(_ADDRESSES):
            self._ip(number, "addr", "add", f"{address}/30", "dev", _WIRE)
            self._ip(number, "link", "set", "lo", "up")
            self._ip(number, "link", "set", _WIRE, "up")
        self.left, self.right = self._half(0), self._half(1)

    def part(self) -> None:
        """See `Halves.part`."""
        for number in (0, 1):
            hidden = ("lladdr", _NOBODY, "dev", _WIRE, "nud", "permanent")
            self._ip(number, "neigh", "replace", _ADDRESSES[1 - number], *hidden)

    def join(self) -> None:
        """See `Halves.join`."""
        for number in (0, 1):
            self._ip(number, "neigh", "del", _ADDRESSES[1 - number], "dev", _WIRE)

    def _half(self, number: int) -> Half:
        return Half(
            self._within(number),
            ("0.0.0.0:4222", f"{_ADDRESSES[number]}:6222"),
            "nats://127.0.0.1:4222",
            f"nats-route://{_ADDRESSES[1 - number]}:6222",
        )

    def _within(self, number: int) -> tuple[str, ...]:
        return ("nsenter", "-t", str(self._holders[number]), "-n", "--")

    def _ip(self, number: int, *words: str) -> None:
        _run(*self._within(number), "ip", *words)


class _Relays(Halves):
    """All on loopback; what one server says to the other goes through relays, which can be frozen."""

    kind = "relays"

    def _make(self) -> None:
        clients, servers = (free_port(), free_port()), (free_port(), free_port())
        self._relays = []
        for port in servers:
            self._relays.append(Relay(self._directory, port))
            self._stack.callback(self._relays[-1].close)
        self.left, self.right = (
            Half(
                (),
                (f"127.0.0.1:{clients[number]}", f"127.0.0.1:{servers[number]}"),
                f"nats://127.0.0.1:{clients[number]}",
                f"nats-route://127.0.0.1:{self._relays[1 - number].port}",
            )
            for number in (0, 1)
        )

    def part(self) -> None:
        """See `Halves.part`."""
        for relay in self._relays:
            relay.program.freeze()

    def join(self) -> None:
        """See `Halves.join`."""
        for relay in self._relays:
            relay.program.thaw()


def halves(directory: Path) -> Halves:
    """Namespaces where this machine lets us make them; that is so for root who has ``ip`` (in CI always)."""
    try:
        probe = _Namespaces(directory)
        with probe:
            pass
    except (OSError, subprocess.CalledProcessError, TimeoutError):
        if os.environ.get("CI", "").lower() in {"true", "1"} and os.geteuid() == 0 and shutil.which("ip"):
            raise
        return _Relays(directory)
    return _Namespaces(directory)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_MADE_S)
