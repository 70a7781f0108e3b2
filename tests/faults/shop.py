"""A service on a nats-server of its own, which can be broken without harm to the mesh; a sidecar beside both."""

import asyncio
import json
import os
import signal
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nats
from nats.js.client import JetStreamContext

from faults.mesh import SHOP, Copy, DemoMesh
from faults.scripts import ASK, LAG, TRICKLE
from support.children import Child
from support.doors import listens_only
from support.linked import login, service, tell
from support.natsserver import NatsServer
from support.ports import free_port

__all__ = ["USERS", "Shop"]

USERS = """
system_account: SYS
accounts {
  SYS: { users: [ { user: sys, password: sys } ] }
  APP: { jetstream: enabled, users: [
    { user: app, password: app }
    { user: eye, password: eye, permissions: {
      subscribe: ["_INBOX.>"], publish: ["$SYS.REQ.ACCOUNT.PING.CONNZ", "$JS.API.STREAM.*.>", "$JS.API.STREAM.*",
      "$JS.API.CONSUMER.LIST.>", "$JS.API.CONSUMER.INFO.>", "$JS.API.INFO"] } }
  ] }
}
"""
"""Who may log in to such a server: the service, and the observer of its sidecar."""


def clustered(names: list[str]) -> dict[str, str]:
    """What the configuration of each has more, so that they form a cluster."""
    ports = {name: free_port() for name in names}
    routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports.values())
    return {
        name: f'cluster {{ name: hub, listen: "127.0.0.1:{port}", routes: [{routes}] }}\n'
        for name, port in ports.items()
    }


class Shop(Copy):
    """A service (bytes by hand, which do what the test says), its nats-server, and the sidecar beside them.

    Args:
        mesh: to which the sidecar belongs.
        instance: its name.
        folder: an empty folder.
        config: of the server.
        client: of the service, see `support.linked.service`; besides ``peers``: so many more servers in a cluster,
            ``more``: TOML after the first lines of ``[targets.connection]``, and ``prepare``: what to do in its
            account before the sidecar comes.
    """

    def __init__(self, mesh: DemoMesh, instance: str, folder: Path, config: str, client: Mapping[str, Any]) -> None:
        self._mesh, self._instance, self.folder = mesh, instance, folder
        # A reload compares the file with the running server, whose name is given on its command line.
        given = {"more": "", "prepare": None, **client}
        self._more, prepare = given.pop("more"), given.pop("prepare")
        names = [f"{instance}-server", *(f"peer{number}" for number in range(given.pop("peers", 0)))]
        block = clustered(names) if len(names) > 1 else dict.fromkeys(names, "")
        self.config = f"server_name: {names[0]}\n{config}{block[names[0]]}"
        self.server = NatsServer(folder, config=self.config, monitoring=True, jetstream=True, name=names[0])
        self.peers: dict[str, NatsServer] = {}
        for name in names[1:]:
            (folder / name).mkdir()
            self.peers[name] = NatsServer(folder / name, config=config + block[name], jetstream=True, name=name)
        self.twin = None
        self._others: list[Child] = []
        self._doors = ExitStack()
        try:
            for one in (self.server, *self.peers.values()):
                one.start()
            self.begin(**given)
            if prepare is not None:
                self.jetstream(prepare)
            self.sidecar = self.attach()
        except BaseException:
            self.leave()
            raise

    @property
    def name(self) -> str:
        """SERVICE/INSTANCE."""
        return f"{SHOP}/{self._instance}"

    def begin(self, **given: Any) -> None:
        """Start the service."""
        self.child = service(self.server, self._instance, **given).__enter__()
        self.url = login(self.server.url, "app")
        self._observer = f'url = "{login(self.server.url, "eye")}"'

    def attach(self, environment: Mapping[str, str] | None = None) -> Any:
        """Start the sidecar (again)."""
        del environment
        self.sidecar = self._mesh.attend(
            self._instance,
            f"""
            [[targets]]
            service = "{SHOP}"
            instance = "{self._instance}"
            pid = {self.child.pid}
            sample_s = 0.2
            [targets.nats]
            {self._observer}
            [targets.connection]
            url = "{self.url}"
            client_name = "{self._instance}"
            {self._more}
            [[targets]]
            service = "{SHOP}"
            instance = "{self._instance}-server"
            [targets.nats_server]
            monitor = "{self.server.monitor_url}"
            """,
        )
        return self.sidecar

    def at(self, url: str = "", *, more: str = "") -> None:
        """Other settings of the service.

        Args:
            url: of the server; empty for the right one.
            more: lines beside it, such as ``creds_file``, and further tables of the target.
        """
        self.sidecar.stop()
        self.url = url or login(self.server.url, "app")
        self._more = more
        self.attach()

    def swallowed(self) -> None:
        """Name a door in the settings that answers no attempt, as behind a firewall that drops."""
        self.at(f"nats://{self._doors.enter_context(listens_only()).address}")

    def jetstream(self, act: Callable[[JetStreamContext], Awaitable[object]]) -> None:
        """Do something in its account."""

        async def do() -> None:
            async with await nats.connect(login(self.server.url, "app")) as app:
                await act(app.jetstream())

        asyncio.run(do())

    def another(self, name: str, **client: Any) -> Child:
        """A further service at its server."""
        self._others.append(service(self.server, name, **client).__enter__())
        return self._others[-1]

    def without_others(self) -> None:
        """They end."""
        for one in self._others:
            one.__exit__()
        self._others.clear()

    def tell(self, words: str) -> None:
        """Have the service do something."""
        tell(self.child, words)

    def hold_up(self, share: float) -> None:
        """Write to it until that share of what may wait for it waits, and then a little more now and then."""
        load = self.another("load")
        while self._waiting_share() < share:
            tell(load, "publish feed 60000 20")
        self._others.append(Child(TRICKLE, str(self.server.port)).__enter__())

    def _waiting_share(self) -> float:
        with urllib.request.urlopen(f"{self.server.monitor_url}/connz?sort=pending&limit=1", timeout=10) as got:  # noqa: S310  loopback
            (most,) = json.load(got)["connections"]
        with urllib.request.urlopen(f"{self.server.monitor_url}/varz", timeout=10) as got:  # noqa: S310  loopback
            return float(most["pending_bytes"] / json.load(got)["max_pending"])

    def lose_peers(self) -> None:
        """Kill all other servers of its cluster."""
        for one in self.peers.values():
            one.kill()

    def regain_peers(self) -> None:
        """Start them again."""
        for one in self.peers.values():
            one.start()

    def lag(self) -> None:
        """Messages come faster than they are worked on; ends by itself."""
        self._others.append(Child(LAG, login(self.server.url, "app")).__enter__())

    def lag_no_more(self) -> None:
        """The work is given up, and the messages with it."""
        self.without_others()
        self.jetstream(lambda js: js.delete_stream("WORK"))

    def asked(self, subject: str) -> None:
        """Somebody sends it requests; ends by itself."""
        self._others.append(Child(ASK, str(self.server.port), subject).__enter__())

    def lose_copy(self, stream: str) -> None:
        """Kill a server of its cluster that has a copy of the stream and does not lead it."""
        told: list[str | None] = []

        async def look(js: JetStreamContext) -> None:
            state = (await js.stream_info(stream)).cluster
            told.append(state.leader if state is not None else None)

        self.jetstream(look)
        next(one for name, one in self.peers.items() if name not in told).kill()

    def freeze(self) -> None:
        """Stop the service by a signal."""
        os.kill(self.child.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it run on."""
        os.kill(self.child.pid, signal.SIGCONT)

    def leave(self) -> None:
        """All end: an instance that is taken out of service, and its server."""
        if hasattr(self, "sidecar"):
            self.sidecar.stop()
        self.without_others()
        self._doors.close()
        if hasattr(self, "child"):
            self.child.__exit__()
        for one in (self.server, *self.peers.values()):
            one.close()
