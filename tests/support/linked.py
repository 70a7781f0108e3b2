"""A service with a real connection to a real server, and the real agent `connection` beside it."""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from diagmesh.adapters.neighbour import Neighbour
from diagmesh.adapters.observer import Observer
from diagmesh.bus.nats import NatsBus
from diagmesh.contract.answers.connection import Connection, ConnectionQuestion
from diagmesh.diagnose import Diagnosis
from diagmesh.settings import ConnectionSettings, NatsSettings, RuleSettings, TargetSettings
from diagmesh_agents.connection import connection
from support.children import Child
from support.natsserver import NatsServer
from support.ruling import judge, until_codes

__all__ = ["APP", "Linked", "client", "linked", "login", "service", "tell"]

APP: Final = """
system_account: SYS
accounts {
  SYS: { users: [ { user: sys, password: sys } ] }
  APP: { users: [
    { user: app, password: app }
    { user: eye, password: eye, permissions: { subscribe: ["_INBOX.>"], publish: ["$SYS.REQ.ACCOUNT.PING.CONNZ"] } }
  ] }
}
"""
"""A server whose application logs in as ``app``, the observer as ``eye``."""

_SERVICE: Final = """
import json, socket, sys, threading, time
from urllib.parse import urlsplit
url, name, given = urlsplit(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
def connect(host=url.hostname, port=url.port):
    plug = socket.create_connection((host, port))
    rest = plug.makefile("rb")
    rest.readline()
    said = {"verbose": False, "pedantic": False, "lang": "test", "version": "1", "name": name, "headers": True,
            "user": url.username, "pass": url.password, **given.get("connect", {})}
    try:
        plug.sendall(b"CONNECT " + json.dumps(said).encode() + b"\\r\\nPING\\r\\n")
        while (line := rest.readline()) and not line.startswith(b"PONG"):
            pass
    except ConnectionError:  # a server that wants no more of us closes before it has read what we said
        pass
    return plug, rest
for repeat in range(given.get("reconnects", 0)):
    plug, rest = connect()
    rest.close(); plug.close()
plug, rest = connect()
for sid, subject in enumerate(given.get("subscribe", []), 1):
    plug.sendall(f"SUB {subject} {sid}\\r\\n".encode())
try:
    plug.sendall(b"PING\\r\\n")  # so that the server has them when we are ready
    while (line := rest.readline()) and not line.startswith(b"PONG"):
        pass
except OSError:  # it was refused
    pass
def read():
    while True:
        try:
            line = rest.readline()
        except OSError:  # a server that has enough of us resets the connection
            return
        if not line:
            return
        if line.startswith(b"PING"):
            plug.sendall(b"PONG\\r\\n")
        elif line.startswith(b"MSG"):
            rest.read(int(line.split()[-1]) + 2)
if given.get("reads", True):
    threading.Thread(target=read, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    words = line.split()
    if words[0] == "publish":
        body = b"x" * int(words[2])
        for _ in range(int(words[3])):
            try:
                plug.sendall(f"PUB {words[1]} {len(body)}\\r\\n".encode() + body + b"\\r\\n")
            except OSError:
                break
    if words[0] == "close":
        plug.shutdown(socket.SHUT_RDWR); rest.close(); plug.close()
    print("done", flush=True)
time.sleep(120)
"""


def login(url: str, user: str) -> str:
    """The URL of a server for one of its users, whose password is its name."""
    return url.replace("://", f"://{user}:{user}@")


def service(server: NatsServer, name: str = "orders", *, user: str = "app", **given: Any) -> Child:
    """A service of the test's making, connected before it is ready.

    Args:
        server: where to.
        name: what it calls its connection.
        user: as whom.
        given: ``subscribe`` (subjects), ``reads`` (false: never), ``reconnects`` (how often before), ``connect``.
    """
    return Child(_SERVICE, login(server.url, user) if user else server.url, name, json.dumps(given))


_CLIENT: Final = """
import asyncio, json, sys
import nats
async def main():
    given = json.loads(sys.argv[3])
    count = given.pop("subscribe", 0)
    async def quiet(*_): pass
    client = await nats.connect(sys.argv[1], name=sys.argv[2], error_cb=quiet, **given)
    held = []
    async def have(count):
        while len(held) < count:
            held.append(await client.subscribe(f"subject.{len(held)}"))
        while len(held) > count:
            await held.pop().unsubscribe()
        await client.flush()
    await have(count)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        await have(int(line.split()[1]))
        print("done", flush=True)
    await asyncio.sleep(120)
asyncio.run(main())
"""


def client(server: NatsServer, name: str = "orders", **given: Any) -> Child:
    """A service with the Python client of NATS, connected before it is ready.

    Args:
        server: where to.
        name: what it calls its connection.
        given: ``subscribe``, to how many subjects; the rest goes to its ``connect``.
    """
    return Child(_CLIENT, server.url, name, json.dumps(given))


def tell(child: Child, words: str, *, done: bool = True) -> None:
    """Have it do something: ``publish SUBJECT BYTES TIMES`` or ``close``; a `client` knows ``subscriptions COUNT``.

    Args:
        child: of `service` or `client`.
        words: what.
        done: wait until it has done so.
    """
    assert child.process.stdin is not None
    assert child.process.stdout is not None
    child.process.stdin.write(words + "\n")
    child.process.stdin.flush()
    if done:
        assert child.process.stdout.readline().strip() == "done"


class Linked:
    """The agent beside a service.

    Args:
        neighbour: whom it looks at.
        settings: of the rules.
    """

    def __init__(self, neighbour: Neighbour, settings: tuple[RuleSettings, ...]) -> None:
        self.neighbour = neighbour
        self._settings = settings

    async def answer(self, **question: Any) -> Connection:
        """What the agent says now."""
        given = {"interval_s": 0.2, "pings": 3, **question}
        said = await connection.look(ConnectionQuestion(**given), self.neighbour)
        assert isinstance(said, Connection)
        return said

    async def judged(self, **question: Any) -> Diagnosis:
        """What every rule says to that."""
        return judge([await self.answer(**question)], *self._settings)

    async def until(self, *wanted: str, also: Callable[[Diagnosis], bool] = lambda _: True) -> Diagnosis:
        """The first diagnosis with exactly these codes."""
        return await until_codes(self.judged, *wanted, also=also)


@asynccontextmanager
async def linked(
    *rules: RuleSettings,
    pid: int | None = None,
    observer: str | NatsSettings = "",
    connection: ConnectionSettings | None = None,
) -> AsyncIterator[Linked]:
    """The agent beside a process.

    Args:
        rules: settings of the rules.
        pid: of the service; default: this very process.
        observer: URL with its user, or settings; empty for none.
        connection: how the service connects, as the settings say it.
    """
    bus = None
    if observer:
        settings = NatsSettings(url=observer) if isinstance(observer, str) else observer
        bus = await NatsBus.connect(settings, "diag-observer/orders/i1")
    target = TargetSettings(service="orders", instance="i1", pid=pid or os.getpid(), connection=connection)
    try:
        yield Linked(Neighbour(target, nats=Observer(bus) if bus is not None else None), rules)
    finally:
        if bus is not None:
            await bus.close()
