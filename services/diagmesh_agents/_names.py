"""Default instance names: the pod's or the host's, with a suffix when two sidecars of a host would take the same."""

import errno
import os
import socket
from collections.abc import Mapping
from typing import Final

from diagmesh.errors import DiagmeshError
from diagmesh.hostname import default_instance

__all__ = ["NameKeeper"]

_MOST_SUFFIX: Final = 1000


class NameKeeper:
    """Gives each instance without a name one that no other sidecar of this host uses.

    A name is held by an abstract unix socket (unix(7)): the kernel keeps it unique over all users of the network
    namespace and frees it when the process ends, however it ends.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._base = default_instance(environment)
        self._held: list[socket.socket] = []

    def take(self, service: str) -> str:
        """The first free name of that service.

        Raises:
            DiagmeshError: a thousand are taken, or the system gives none.
        """
        for number in range(1, _MOST_SUFFIX):
            name = self._base if number == 1 else f"{self._base[:58]}-{number}"
            try:
                if self._hold(f"\0diagmesh/{service}/{name}"):
                    return name
            except OSError as error:
                raise DiagmeshError(
                    f"the default name {name} of {service} cannot be kept free of others: {error.strerror};"
                    " give a name with --instance"
                ) from None
        raise DiagmeshError(f"no free instance name for {service} on this host; give one with --instance")

    def _hold(self, address: str) -> bool:
        keeper = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            keeper.bind(address)
        except OSError as error:
            keeper.close()
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        self._held.append(keeper)
        return True

    def hand_on(self) -> list[int]:
        """Descriptors that keep the names through an exec, for whoever comes after us in this process."""
        for keeper in self._held:
            keeper.set_inheritable(True)
        return [keeper.fileno() for keeper in self._held]

    def close(self) -> None:
        """Give the names back."""
        for keeper in self._held:
            keeper.close()
        self._held.clear()
