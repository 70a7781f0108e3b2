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
    _open_closed_streams()
    arguments = sys.argv[1:]
    if arguments and arguments[0] in _PROCESSES:
        # -P: whatever lies in the working directory is not imported.
        program = [sys.executable, "-P", "-m", _PROCESSES[arguments[0]], *arguments[1:]]
        os.execv(sys.executable, program)  # noqa: S606  this very interpreter, and no shell
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no "…" must not end a command
    code = run(arguments)
    _flush()
    sys.exit(code)


def _open_closed_streams() -> None:
    """Whoever started us without a standard stream must not see his files written to, nor us fail."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # The lowest free number is the closed one; connections would get it otherwise.
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", closefd=False))


def _flush() -> None:
    """What cannot be written any more is no reason for the interpreter to complain at its end."""
    from diagmesh_cli.terminal import discard  # noqa: PLC0415  not for sidecar and coordinator

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            discard(stream.fileno())


def run(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code. Every error is told in one sentence on standard error."""
    from asyncio import CancelledError  # noqa: PLC0415  not for sidecar and coordinator

    from diagmesh_cli.app import make_app, options_last  # noqa: PLC0415  not for sidecar and coordinator
    from diagmesh_cli.output import Output, debugging  # noqa: PLC0415
    from diagmesh_cli.trouble import explain  # noqa: PLC0415

    if not debugging():
        # What matters comes as an error; without a handler of its own each would be printed beside the result.
        for name in ("diagmesh", "asyncio"):
            logging.getLogger(name).addHandler(logging.NullHandler())
    try:
        result = make_app()(options_last(list(arguments)))
    except (Exception, KeyboardInterrupt, CancelledError) as error:  # noqa: BLE001  the last boundary
        if debugging():
            traceback.print_exc()
        code, problem = explain(error)
        Output(json="--json" in arguments, no_color="--no-color" in arguments).fail(problem)
        return code
    return int(result or 0)
