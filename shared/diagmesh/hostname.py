"""What an instance is called that nobody named: the pod's name, else the host's."""

import os
import socket
from collections.abc import Mapping

from diagmesh.contract.names import legalise

__all__ = ["default_instance", "host_name"]


def default_instance(environment: Mapping[str, str] = os.environ) -> str:
    """The pod's name (``POD_NAME``, by the downward API of Kubernetes), else the host's; a legal token.

    Whoever may stand there several times adds a suffix.
    """
    return legalise(environment.get("POD_NAME") or socket.gethostname())


def host_name() -> str:
    """The name of this host as a legal token."""
    return legalise(socket.gethostname())
