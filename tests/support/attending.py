"""A real sidecar that stands beside real nats-servers, and a coordinator that judges them by all rules."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from diagmesh.client import Mesh
from diagmesh.contract.answers.server import Server, ServerQuestion
from diagmesh.contract.verdicts import Check, CheckQuestion, Verdict
from diagmesh.settings import CoordinatorSettings, RuleSettings
from diagmesh_cli.local.settings_file import toml_of
from support.natsserver import NatsServer
from support.smallmesh import HEARTBEAT_S, SmallMesh

__all__ = ["SERVICE", "Attended", "Attending"]

SERVICE: Final = "nats"
_PATIENCE_S: Final = 60.0
_ANSWER_S: Final = 12.0


class Attending(SmallMesh):
    """Use it as a context manager, then `begin`.

    Args:
        directory: an empty folder.
        servers: by the name of the instance; they may be started later, and need not run.
    """

    def __init__(self, directory: Path, servers: Mapping[str, NatsServer]) -> None:
        super().__init__(directory, (SERVICE,))
        self.servers = dict(servers)
        for one in self.servers.values():
            self._stack.callback(one.close)

    def begin(self, *rules: RuleSettings) -> None:
        """Start the sidecar, which stands beside all servers, and the coordinator, which judges by these settings."""
        targets = "".join(
            f"""
            [[targets]]
            service = "{SERVICE}"
            instance = "{name}"
            [targets.nats_server]
            monitor = "{one.monitor_url}"
            """
            for name, one in self.servers.items()
        )
        settings = self._settings(
            "sidecar",
            f"""heartbeat_s = {HEARTBEAT_S}
            [nats]
            url = "{self.url}"
            nkey_file = "{self.ring.seed_file(f"agent-{SERVICE}")}"
            inbox_prefix = "_INBOX_agent_{SERVICE}"
            {targets}
            """,
        )
        program = self._module("diagmesh_agents", settings)
        self._await_subscription("", f"diag.{SERVICE}.*.all", program)
        self.coordinator(more=toml_of(CoordinatorSettings(rules=rules), brief=True))

    @asynccontextmanager
    async def asked(self) -> AsyncIterator["Attended"]:
        """Ask it, as anybody may."""
        async with Mesh.connect(url=self.url, name="attending") as mesh:
            yield Attended(mesh)


class Attended:
    """What the mesh says of the servers.

    Args:
        mesh: connected.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    async def server(self, name: str) -> Server:
        """What the sidecar answers of one."""
        heard = await self._mesh.one(Server, SERVICE, ServerQuestion(), instance=name, timeout_s=_ANSWER_S)
        return heard.answer

    async def check(self, *names: str) -> Check:
        """What all rules say of these."""
        question = CheckQuestion(services=(SERVICE,), instances=names)
        return (await self._mesh.one(Check, "mesh", question, timeout_s=_ANSWER_S)).answer

    async def until(
        self,
        *wanted: str,
        of: Sequence[str] = (),
        may: Sequence[str] = (),
        also: Callable[[Check], bool] = lambda _: True,
    ) -> Check:
        """The first check in which exactly these codes are found.

        Args:
            wanted: none waits until all is clear.
            of: these instances; all by default.
            may: codes that are right too, on the way there; any other one fails, unless all is to become clear.
            also: what else must hold.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            check = await self.check(*of)
            assert not [one for one in check.verdicts if one.verdict is Verdict.BROKEN]
            codes = {one.code for one in check.findings}
            if codes == set(wanted) and also(check):
                return check
            told = [f"{one.code}: {one.title}" for one in check.findings]
            assert not wanted or codes <= {*wanted, *may}, f"wanted {wanted}, found {told}"
            assert time.monotonic() < deadline, f"wanted {wanted}, found {told}"
            await asyncio.sleep(0.3)
