"""Becoming the launcher: everything is checked first, then this process is replaced by the small one that stays."""

import os
import sys
from typing import Final, NoReturn

from diagmesh.accept import check_control, check_disabled, log_number
from diagmesh.errors import SettingsError
from diagmesh.packs import load_agents
from diagmesh_agents._arguments import Given, split
from diagmesh_agents._launcher.plan import Plan
from diagmesh_agents._launcher.record import default_directory
from diagmesh_agents._names import NameKeeper

__all__ = ["become_launcher"]

_MODULE: Final = "diagmesh_agents._launcher"


def become_launcher(given: Given, arguments: list[str]) -> NoReturn:
    """Start the service under the launcher, in this very process.

    Args:
        given: what the command line says, with something to start.
        arguments: the command line itself; the sidecar gets it without the command.

    Raises:
        SettingsError: the sidecar would refuse its settings; nothing was started.
        DiagmeshError: there is no name for the instance.
    """
    assert given.launching is not None  # noqa: S101  the caller looked
    log_number(given.settings.log_level)
    check_control(given.settings)
    check_disabled(given.settings.disable, load_agents().agents)
    launching, (target,) = given.launching, given.settings.targets
    keeper = NameKeeper()
    plan = Plan(
        service=target.service,
        instance=target.instance or keeper.take(target.service),
        command=launching.command,
        sidecar=split(arguments)[0],
        state_dir=launching.state_dir or str(default_directory()),
        linger_s=launching.linger_s,
        restart=launching.restart,
        kept=keeper.hand_on(),
    )
    program = [sys.executable, "-P", "-m", _MODULE, *plan.encode()]
    try:
        os.execv(sys.executable, program)  # noqa: S606  this very interpreter, and no shell
    except OSError as error:
        raise SettingsError(f"the launcher cannot be started: {error.strerror}; is the command too long?") from None
