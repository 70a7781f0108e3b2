"""The commands that people type, `diagmesh ask` and `nats req`, now and then while the soak goes on."""

import asyncio
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from soak.chaos.asker import TIMEOUT_S
from soak.chaos.cluster import Cluster
from soak.chaos.records import Asked, Silence

__all__ = ["Commands"]

_PACE_S: Final = 4.0
_START_S: Final = 8.0
"""A command has to be started, to connect (a frozen server costs it two seconds) and to end."""


class Commands:
    """Runs one command after the other.

    Args:
        cluster: what is asked.
        nats: the `nats` program, where there is one.
        seed: of the choices.
        note: takes what came.
    """

    def __init__(self, cluster: Cluster, nats: Path | None, seed: int, note: Callable[[Asked], None]) -> None:
        self._cluster = cluster
        self._nats = nats
        self._dice = random.Random(f"{seed} commands")  # noqa: S311  every run the same commands
        self._note = note
        self.going = asyncio.Event()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.going.wait()
            began = time.monotonic()
            how = self._dice.choice(("cli", "nats")) if self._nats else "cli"
            self._note(await (self._ask_cli() if how == "cli" else self._ask_nats()))
            await asyncio.sleep(max(0.0, began + _PACE_S - time.monotonic()))

    async def _ask_cli(self) -> Asked:
        words = ["-m", "diagmesh_cli", "ask", "health", "--each", "--json", "--timeout", f"{TIMEOUT_S:g}"]
        words += ["--nats", self._cluster.urls(self._dice.randrange(3))]
        words += ["--nkey-file", str(self._cluster.key_file("reader"))]
        asked, code, out, err = await self._run("cli", [sys.executable, *words])
        try:
            reply = msgspec.json.decode(out)
            _take(asked, reply)
        except (msgspec.DecodeError, KeyError, TypeError):
            asked.error, asked.detail = f"Exit{code}", (err or out)[-300:].decode(errors="replace")
        return asked

    async def _ask_nats(self) -> Asked:
        words = ["--server", self._cluster.urls(self._dice.randrange(3)), "--timeout", f"{TIMEOUT_S:g}s"]
        words += ["--nkey", str(self._cluster.key_file("reader"))]
        words += ["req", "--raw", "diag.mesh.health", '{"each": true, "timeout_ms": 1500}']
        asked, code, out, err = await self._run("nats", [str(self._nats), *words])
        try:
            _take(asked, msgspec.json.decode(out))
        except (msgspec.DecodeError, KeyError, TypeError):
            asked.error, asked.detail = f"Exit{code}", (err or out)[-300:].decode(errors="replace")
        return asked

    async def _run(self, how: str, command: list[str]) -> tuple[Asked, int, bytes, bytes]:
        asked = Asked(how=how, asker=how, at=time.monotonic(), budget_s=TIMEOUT_S + _START_S)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("DIAGMESH_", "NATS_"))}
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**clean, "HOME": str(self._cluster.folder), "XDG_CONFIG_HOME": str(self._cluster.folder)},
        )
        try:
            async with asyncio.timeout(2 * asked.budget_s):
                out, err = await process.communicate()
        except TimeoutError:
            out, err = b"", b"it did not end"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        asked.took_s = time.monotonic() - asked.at
        return asked, process.returncode or 0, out, err


def _take(asked: Asked, reply: dict[str, Any]) -> None:
    answer = reply.get("answer", reply)
    if "of" not in answer:
        asked.error, asked.detail = "Problem", str(reply)[:300]
        return
    asked.by = f"mesh/{reply['instance']}" if reply.get("service") == "mesh" else ""
    asked.answered, asked.ended = answer["answered"], answer["ended"]
    each = answer.get("each")
    asked.heard = None if each is None else tuple(sorted(f"{one['service']}/{one['instance']}" for one in each))
    asked.silent = tuple(Silence(f"{one['service']}/{one['instance']}", one["reason"]) for one in answer["silent"])
    asked.unexpected = tuple(f"{one['service']}/{one['instance']}: {one['reason']}" for one in answer["unexpected"])
