"""The commands for the `nats` CLI on the pages of the rules are understood by the real one."""

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Final

from diagmesh.packs import load_rules

NOBODY: Final = "nats://127.0.0.1:1"
COMMANDS: Final = sorted(
    {
        " ".join(span.split())
        for page in load_rules().pages.values()
        for span in re.findall(r"`(nats [^`]+)`", page.text)
    }
)


def understood(nats_cli: Path, home: Path, command: str) -> bool:
    """Whether the CLI gets as far as looking for a server; there is none, so nothing is changed anywhere."""
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "NATS_URL": NOBODY}
    words = shlex.split(command.replace("nats://HOST:4222", NOBODY))[1:]
    done = subprocess.run(
        [nats_cli, *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    return "try --help" not in said and "no servers available" in said


def test_the_commands_of_the_pages_are_understood(nats_cli: Path, tmp_path: Path) -> None:
    assert COMMANDS
    assert [one for one in COMMANDS if not understood(nats_cli, tmp_path, one)] == []


def test_a_wrong_command_is_not_understood(nats_cli: Path, tmp_path: Path) -> None:
    for wrong in ("nats server report connections --sort=pending", "nats consumer reports STREAM", "nats rtt --fast"):
        assert not understood(nats_cli, tmp_path, wrong)
