"""The commands for the `nats` CLI on the pages of the rules are understood by the real one, those on streams work."""

import asyncio
import os
import re
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

import nats
from nats.js.api import ConsumerConfig
from nats.js.errors import NotFoundError

from diagmesh.packs import load_rules
from support.natsserver import MakeServer

NOBODY: Final = "nats://127.0.0.1:1"
COMMANDS: Final = sorted(
    {
        " ".join(span.split())
        for page in load_rules().pages.values()
        for span in re.findall(r"`(nats [^`]+)`", page.text)
    }
)


def run(nats_cli: Path, home: Path, url: str, command: str) -> subprocess.CompletedProcess[str]:
    """The real CLI, without a terminal and with nothing configured."""
    return subprocess.run(
        [nats_cli, *shlex.split(command)[1:]],
        env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "NATS_URL": url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def understood(nats_cli: Path, home: Path, command: str) -> bool:
    """Whether the CLI gets as far as looking for a server; there is none, so nothing is changed anywhere."""
    done = run(nats_cli, home, NOBODY, command.replace("nats://HOST:4222", NOBODY))
    said = done.stdout + done.stderr
    return "try --help" not in said and "no servers available" in said


def test_the_commands_of_the_pages_are_understood(nats_cli: Path, tmp_path: Path) -> None:
    assert COMMANDS
    assert [one for one in COMMANDS if not understood(nats_cli, tmp_path, one)] == []


def test_a_wrong_command_is_not_understood(nats_cli: Path, tmp_path: Path) -> None:
    for wrong in ("nats server report connections --sort=pending", "nats consumer reports STREAM", "nats rtt --fast"):
        assert not understood(nats_cli, tmp_path, wrong)


BEYOND: Final = re.compile(r"cluster|--replicas|resume|edit$|NAME")
"""Takes more than one server and one stream that is well."""


async def stored(url: str) -> None:
    """The stream of the pages, as new, with its consumer and some messages."""
    async with await nats.connect(url) as app:
        js = app.jetstream()
        with suppress(NotFoundError):
            await js.delete_stream("ORDERS")
        await js.add_stream(name="ORDERS", subjects=["orders.>"])
        await js.add_consumer("ORDERS", ConsumerConfig(durable_name="worker"))
        await asyncio.gather(*(js.publish("orders.new", b"{}") for _ in range(50)))


async def test_the_commands_of_the_pages_on_streams_are_carried_out(
    nats_cli: Path, tmp_path: Path, make_server: MakeServer
) -> None:
    server = make_server(jetstream=True).start()
    tried = [one for one in COMMANDS if one.startswith(("nats stream", "nats consumer")) and not BEYOND.search(one)]
    assert len(tried) >= 20
    refused = {}
    for command in tried:
        await stored(server.url)
        asks = re.search(r"purge|edit", command) and "--force" not in command  # and there is no terminal
        line = command.replace("STREAM", "ORDERS") + (" --force" if asks else "")
        done = run(nats_cli, tmp_path, server.url, line)
        if done.returncode:
            refused[command] = (done.stdout + done.stderr)[-300:]
    assert refused == {}
