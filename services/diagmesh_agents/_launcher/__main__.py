"""``python -m diagmesh_agents._launcher PLAN``: started by ``diagmesh sidecar … -- COMMAND``, in the same process."""

import os
import sys

from diagmesh_agents._launcher.launcher import Launcher
from diagmesh_agents._launcher.plan import Plan

if __name__ == "__main__":
    # At once: a thread that is blocked on a frozen reader must not keep us.
    os._exit(Launcher(Plan.decode(sys.argv[1])).run())
