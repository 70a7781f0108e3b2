"""``python -m diagmesh_agents._launcher PLAN COMMAND …``: what ``diagmesh sidecar … -- COMMAND`` becomes."""

import os
import sys

from diagmesh_agents._launcher.launcher import Launcher
from diagmesh_agents._launcher.plan import Plan


def _open_standard_streams() -> None:
    """Whoever started us may have closed them; nothing of ours must take their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


if __name__ == "__main__":
    _open_standard_streams()
    # At once: a thread that is blocked on a frozen reader must not keep us.
    os._exit(Launcher(Plan.decode(sys.argv[1:])).run())
