"""What `up` says: first where it is and what to try, then what changes."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from diagmesh.client import Heard
from diagmesh.contract.answers.health import Health
from diagmesh.errors import Refusal, Unreadable
from diagmesh_cli.local.embedded import PREFERRED_PORT
from diagmesh_cli.views.status import MeshStatus, status_view
from diagmesh_cli.views.words import verdict, whose

__all__ = ["Offered", "Seen", "banner", "changes", "fault_command", "live_page", "seen_of", "tries", "way_to_us"]

Seen = dict[str, tuple[str, str]]
"""Per instance its state (or why it is silent) and the reason."""
_COLUMNS: Final = 80
_GOES_ON: Final = " \\"
_PLAIN_URL: Final = f"nats://127.0.0.1:{PREFERRED_PORT}"


def tries(url: str, service: str, environment: Mapping[str, str] | None = None) -> tuple[str, str, str]:
    """Three commands of the plain NATS CLI, ready to be copied into another terminal."""
    nats = f"nats{_server_flag(url, os.environ if environment is None else environment)}"
    return (
        f"{nats} req diag.{service}.health ''",
        f"{nats} req diag.{service}.resources.all '' --replies=0 --timeout=1s",
        f"{nats} req diag.mesh.health ''",
    )


class Offered(NamedTuple):
    """What is said of the demo: what it is, what a fault would do to it, and its command if it is allowed."""

    demo: str
    harm: str = ""
    fault: str = ""


def fault_command(
    url: str, seed_file: Path, subject: str, body: str, environment: Mapping[str, str] | None = None
) -> str:
    """The command that breaks a demo service for a minute, as the application that it belongs to."""
    flag = _server_flag(url, os.environ if environment is None else environment)
    return f"nats{flag} --nkey {seed_file} req {subject} {shlex.quote(body)}"


def _server_flag(url: str, environment: Mapping[str, str]) -> str:
    """Without a flag the NATS CLI goes to 4222 on this machine, unless a variable or a context says otherwise."""
    home = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "/")) / ".config")
    context = Path(home) / "nats" / "context.txt"
    elsewhere = "NATS_URL" in environment or "NATS_CONTEXT" in environment or context.exists()
    return "" if url == _PLAIN_URL and not elsewhere else f" -s {url}"


def banner(
    url: str,
    commands: Sequence[str],
    offered: Offered,
    *,
    note: str = "",
    found: bool | None = None,
    way: str | None = None,
) -> RenderableType:
    """Where it is, and what to try.

    Args:
        url: where clients connect.
        commands: for the plain NATS CLI.
        offered: what there is of a demo.
        note: why it is somewhere else than usual.
        found: whether a NATS CLI is installed; None looks for it.
        way: what puts our own command on the PATH, where it is not there; None finds out.
    """
    ends = f"  ({note}; Ctrl-C ends it)" if note else "  (Ctrl-C ends it)"
    lines = [
        Text.assemble("diagmesh is up at ", (url, "bold green"), ends),
        Text(f"demo: {offered.demo}"),
        Text("\nTry from another terminal:"),
        *(Text(_folded(command), "bold") for command in commands),
        Text("or: diagmesh status, diagmesh ask health, diagmesh ask resources orders"),
    ]
    if way := way_to_us() if way is None else way:
        lines.append(Text(f"(diagmesh is not on this PATH: {way})", "dim"))
    if not (shutil.which("nats") is not None if found is None else found):
        lines.append(Text("(no nats CLI on this PATH: github.com/nats-io/natscli)", "dim"))
    if offered.fault:
        lines += [Text(f"\n{offered.harm} for a minute, and look again:"), Text(_folded(offered.fault), "bold")]
    elif offered.harm:
        lines.append(Text("\nTo be able to break the demo services on purpose, start with --allow-faults."))
    return Group(*lines, Text())


def way_to_us(program: str = "") -> str:
    """What to type so that `diagmesh` is found, as after ``make run``; empty where it is, or nobody knows.

    Args:
        program: how we were called; default: ``sys.argv``.
    """
    program = program or sys.argv[0]
    activate = Path(program).with_name("activate")
    if shutil.which("diagmesh") or Path(program).name != "diagmesh" or not activate.exists():
        return ""
    return f". {shlex.quote(str(activate))}"


def _folded(command: str) -> str:
    """A command in lines of 80 columns that a shell takes as one, with a backslash at their ends."""
    lines = [" "]
    for word in map(shlex.quote, shlex.split(command)):
        if len(lines[-1]) + len(word) + len(" " + _GOES_ON) > _COLUMNS and lines[-1].strip():
            lines[-1] += _GOES_ON
            lines.append("   ")
        lines[-1] += f" {word}"
    return "\n".join(lines)


def live_page(seen: MeshStatus | None, trouble: str) -> RenderableType:
    """The live view: the status page, below it why it is not of now; what happens is told above it."""
    parts: list[RenderableType] = []
    if seen is not None:
        parts.append(status_view(seen))
    if trouble:
        parts.append(Text(trouble, "red"))
    return Group(*parts)


def seen_of(status: MeshStatus) -> Seen:
    """Every instance with its state, or why it was not heard."""
    seen = {heard.where: _state(heard) for heard in status.health.each}
    for one in status.health.silent:
        state, _, detail = one.reason.partition(": ")
        seen[whose(one.service, one.instance)] = (state, detail)
    return seen


def _state(heard: Heard[Health]) -> tuple[str, str]:
    try:
        return heard.answer.state.value, heard.answer.reason
    except (Refusal, Unreadable) as error:
        return heard.reply.status.value, str(error)


def changes(before: Seen, now: Seen) -> list[Text]:
    """A line for every instance whose state is another one than before; that the reason changed is no change."""
    lines = []
    for where, (state, reason) in sorted(now.items()):
        if before.get(where, ("", ""))[0] != state:
            lines.append(Text.assemble((where, "bold"), " ", verdict(state), f": {reason}" if reason else ""))
    lines += [Text.assemble((where, "bold"), " is gone") for where in sorted(before.keys() - now.keys())]
    return lines
