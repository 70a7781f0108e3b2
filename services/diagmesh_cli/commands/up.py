"""`diagmesh up`: a whole mesh on this machine."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter
from rich.live import Live
from rich.text import Text

from diagmesh.client import Mesh
from diagmesh.contract.directory import InstanceState
from diagmesh.contract.mesh import Ended
from diagmesh.errors import BusError, DiagmeshError, Refusal
from diagmesh_cli.commands.status import look
from diagmesh_cli.exits import Exit
from diagmesh_cli.local.children import Child, how_it_ended
from diagmesh_cli.local.demos import Wish
from diagmesh_cli.local.mesh import MOST_COORDINATORS, LocalMesh
from diagmesh_cli.options import Shown
from diagmesh_cli.output import Output
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.views.status import MeshStatus
from diagmesh_cli.views.up import Offered, Seen, banner, changes, fault_command, live_page, seen_of, tries

__all__ = ["up"]

_READY_S: Final = 20.0
_READY_PACE_S: Final = 0.2
_PACE_S: Final = 2.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def up(
    *,
    port: Annotated[int | None, Parameter(metavar="PORT", show_default=False)] = None,
    demo: Annotated[Literal["auto", "go", "python", "none"], Parameter(show_default=False)] = "auto",
    no_demo: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    allow_faults: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    coordinators: Annotated[int, Parameter(metavar="N")] = 1,
    shown: Shown = Shown(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """Run a whole mesh on this machine until Ctrl-C: a NATS server on loopback, demo services, sidecars, a coordinator.

    Args:
        port: of the NATS server; 0 for any free one. Default: 4222, another when that is busy.
        demo: services in Go, stand-ins for them in Python, or none. Default: Go where a toolchain can build them.
        no_demo: the same as --demo none.
        allow_faults: let the demo services be broken on purpose.
        coordinators: how many; with two, one of them may be frozen or killed.
        shown: how to show it.
    """
    if port is not None and not 0 <= port <= 65_535:
        raise UsageError(f"--port {port}: a port is a number from 0 to 65535")
    wish = Wish.NONE if no_demo else Wish(demo)
    if not 1 <= coordinators <= MOST_COORDINATORS:
        raise UsageError(f"--coordinators {coordinators}: say a number from 1 to {MOST_COORDINATORS}")
    local = LocalMesh(port, wish, allow_faults=allow_faults, coordinators=coordinators)
    output, task = Output.of(shown), asyncio.current_task()
    assert task is not None  # noqa: S101  we run in one
    with _on_signals(task, local) as ending:
        try:
            await local.open()
            return await _Run(local, output, allow_faults=allow_faults).run()
        except asyncio.CancelledError:
            return Exit.INTERRUPTED
        finally:
            ending.set()
            async with output.waiting("ending everything"):
                await local.close()


@contextmanager
def _on_signals(task: "asyncio.Task[Any]", local: LocalMesh) -> Iterator[asyncio.Event]:
    """The first signal ends everything in order; whoever cannot wait for that sends a second one."""
    loop, ending = asyncio.get_running_loop(), asyncio.Event()

    def on_signal() -> None:
        if ending.is_set():
            local.family.kill()
        else:
            ending.set()
            task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        yield ending
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)  # all is done; a late Ctrl-C must not change how we end


class _Run:
    """One run of `up`, from the first process to the end."""

    def __init__(self, local: LocalMesh, output: Output, *, allow_faults: bool) -> None:
        self._local = local
        self._output = output
        self._allow_faults = allow_faults
        self._shown: Seen = {}
        self._status: MeshStatus | None = None
        self._trouble = self._told = ""

    async def run(self) -> Exit:
        """Start, tell, watch.

        Raises:
            DiagmeshError: the server ended, or a process did not come up.
        """
        async with self._output.waiting("starting the server, the services and their sidecars"):
            await self._local.start(self._output.note)
            mesh = await Mesh.connect(name="diag-up", url=self._local.url)
        try:
            async with self._output.waiting("waiting for the sidecars"):
                complete = await self._until_all_answer(mesh)
            self._tell_first()
            if not complete:
                self._event(f"not everybody answers after {_READY_S:g} s")
            return await self._watch(mesh)
        finally:
            await mesh.close()

    async def _until_all_answer(self, mesh: Mesh) -> bool:
        """Whether all were there in time; one of our own processes that ended is an error."""
        family = self._local.family
        try:
            async with asyncio.timeout(_READY_S):
                while True:
                    await self._look(mesh)
                    if self._status is not None and self._all_there(self._status):
                        return True
                    dead = [child for child in family.children if child.returncode is not None]
                    if dead:
                        raise DiagmeshError(_obituary(dead[0]))
                    await asyncio.sleep(_READY_PACE_S)
        except TimeoutError:
            return False

    def _all_there(self, status: MeshStatus) -> bool:
        directory, health = status.services, status.health.answer
        if directory is None or directory.ended is not Ended.COMPLETE or health.ended is not Ended.COMPLETE:
            return False
        coordinators = sum(one.state is InstanceState.LIVE for one in directory.coordinators)
        if coordinators < len(self._local.coordinators):
            return False
        return directory.live >= len(self._local.instances) <= health.answered and not health.silent

    def _tell_first(self) -> None:
        local = self._local
        commands = tries(local.url, local.services[0])
        try_out = fault_command(local.url, local.keyring.seed_file("app"), *local.demo.order)
        told = Offered(local.demo.told, local.demo.harm, try_out if self._allow_faults and local.demo.harm else "")
        report = {"url": local.url, "demo": told.demo, "commands": commands, "fault": told.fault}
        report["directory"] = str(local.directory)
        self._output.show(report, banner(local.url, commands, told, note=local.note), wrap=False)

    async def _watch(self, mesh: Mesh) -> Exit:
        """Until the server ends, or nobody reads what we tell (or somebody cancels us)."""
        watchers = [asyncio.create_task(self._await_end(child)) for child in self._local.family.children]
        server = asyncio.create_task(self._local.server.ended())
        try:
            if self._output.out.is_terminal and not self._output.json:
                with Live(console=self._output.out, auto_refresh=False, transient=True) as live:
                    await self._turns(mesh, server, live)
            else:
                await self._turns(mesh, server, None)
            if not server.done():
                return Exit.INTERRUPTED  # whoever read what we tell has gone
            raise DiagmeshError(_obituary(self._local.server))
        finally:
            for task in (*watchers, server):
                task.cancel()

    async def _turns(self, mesh: Mesh, server: "asyncio.Task[int]", live: Live | None) -> None:
        while not server.done() and not self._output.out.reader_gone:
            await self._look(mesh)
            if live is not None:
                live.update(live_page(self._status, self._trouble), refresh=True)
            else:
                self._tell_changes()
            for child in self._local.family.children:
                child.bound_log()
            await asyncio.wait({server}, timeout=_PACE_S)

    async def _look(self, mesh: Mesh) -> None:
        try:
            self._status, self._trouble = await look(mesh, _PACE_S), ""
        except (BusError, Refusal) as error:
            self._trouble = f"cannot look: {error}"

    def _tell_changes(self) -> None:
        if self._trouble and self._trouble != self._told:
            self._event(self._trouble)
        self._told = self._trouble
        if self._status is None:
            return
        now = seen_of(self._status)
        for line in changes(self._shown, now):
            self._tell({"event": line.plain}, line)
        self._shown = now

    async def _await_end(self, child: Child) -> None:
        await child.ended()
        self._event(_obituary(child))

    def _event(self, what: str) -> None:
        self._tell({"event": what}, Text(what))

    def _tell(self, report: dict[str, Any], line: Text) -> None:
        """One event: above the live view where there is one, else one line of a log, however long."""
        now = datetime.now().astimezone()
        if len(line.plain.splitlines()) > 1:
            line = Text(" ".join(line.plain.split()))  # a reason from the wire must not look like two events
        self._output.show(
            {"at": now.isoformat(timespec="seconds"), **report},
            Text.assemble((f"{now:%H:%M:%S} ", "dim"), line),
            wrap=self._output.out.is_terminal,
        )


def _obituary(child: Child) -> str:
    code = child.returncode
    how = how_it_ended(code) if code is not None else "still runs"
    last = child.last_lines(3) if code is not None and code > 0 else []
    return f"{child.name} {how}" + (f": {' | '.join(last)}" if last else "")
