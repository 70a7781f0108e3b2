"""The program `diagmesh`.

The processes that run for days are started before anything of the CLI is imported: a sidecar carries none of it.
"""

import io
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

__all__ = ["main", "run"]

_PROCESSES: Final = {"sidecar": "diagmesh_agents", "coordinator": "diagmesh_coordinator"}


def main() -> None:
    """Run a command and end with its exit code."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in _PROCESSES:
        # -P: whatever lies in the working directory is not imported.
        program = [sys.executable, "-P", "-m", _PROCESSES[arguments[0]], *arguments[1:]]
        os.execv(sys.executable, program)  # noqa: S606  this very interpreter, and no shell
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no "…" must not end a command
    code = run(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has seen enough; the interpreter must not complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code. Every error is told in one sentence on standard error."""
    from diagmesh_cli.app import make_app, options_last  # noqa: PLC0415  not for sidecar and coordinator
    from diagmesh_cli.output import Output, debugging  # noqa: PLC0415
    from diagmesh_cli.trouble import explain  # noqa: PLC0415

    if not debugging():
        logging.getLogger("diagmesh").addHandler(logging.NullHandler())  # what matters comes as an error
    try:
        result = make_app()(options_last(list(arguments)))
    except BrokenPipeError:
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the last boundary
        if debugging():
            traceback.print_exc()
        code, problem = explain(error)
        Output(json="--json" in arguments, no_color="--no-color" in arguments).fail(problem)
        return code
    return int(result or 0)
