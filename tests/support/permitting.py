"""Every role tries every action on a real server: what is refused, what goes nowhere, what works."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import nats
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from diagmesh import keys
from diagmesh.bus.reasons import permission_subject
from diagmesh_cli.local.permissions import Layout, Role, accounts, roles
from support.natsserver import MakeServer

__all__ = ["ACTIONS", "SERVICES", "Action", "Cell", "Lab", "page", "permitted", "spelled", "try_all"]

SERVICES: Final = ("orders", "payments")
Cell = Literal["yes", "no", "nobody"]
_QUIET_S: Final = 1.5
_WITNESSED: Final = (
    *("diag.>", "diagctl.>", "diagev.>", "demo.>", "$SRV.>", "$KV.>", "$O.>", "$JS.ACK.>"),
    *("_INBOX.>", "_INBOX_priv.>", "_INBOX_coord.>", "_INBOX_agent_payments.>", "_INBOX_observer.>", "_WITNESS.>"),
)


class Action(NamedTuple):
    """Something that a role may try.

    Args:
        tells: what it would achieve.
        how: say it, ask (a server answers), hear it, or answer what was asked.
        subject: of the message or subscription.
        account: where it must arrive, or comes from (``people``: where those are, ``own``: that of the role).
        sample: the subject that is used to see whether one hears; default: that of the subscription.
        queue: the queue group that is joined.
    """

    tells: str
    how: Literal["say", "ask", "hear", "answer"]
    subject: str
    account: str = "DIAG"
    sample: str = ""
    queue: str = ""


ACTIONS: Final = (
    Action("ask a service whether it is well", "say", "diag.orders.health"),
    Action("ask a service for anything else", "say", "diag.orders.logs"),
    Action("ask all instances", "say", "diag.orders.health.all"),
    Action("ask one instance", "say", "diag.orders.health.i1"),
    Action("ask everybody", "say", "diag.all.health"),
    Action("ask the mesh for its findings", "say", "diag.mesh.check"),
    Action("ask one coordinator for them", "say", "diag.mesh.check.c1"),
    Action("ask all coordinators who works", "say", "diag.mesh.coordinator.all"),
    Action("ask the mesh for anything else", "say", "diag.mesh.diagnose"),
    Action("control one instance", "say", "diagctl.orders.chaos.i1"),
    Action("control all instances", "say", "diagctl.orders.chaos.all"),
    Action("control the mesh", "say", "diagctl.mesh.forget"),
    Action("heartbeat of orders", "say", "diagev.hb.orders.i1"),
    Action("heartbeat of payments", "say", "diagev.hb.payments.i1"),
    Action("heartbeat of a coordinator", "say", "diagev.hb.mesh.c1"),
    Action("event of orders", "say", "diagev.ev.orders.exit"),
    Action("event of payments", "say", "diagev.ev.payments.exit"),
    Action("event of the mesh", "say", "diagev.ev.mesh.audit"),
    Action("raise an alert", "say", "diagev.alert.a1"),
    Action("write to a person's inbox", "say", "_INBOX.x"),
    Action("write to an operator's inbox", "say", "_INBOX_priv.x"),
    Action("write to the coordinator's inbox", "say", "_INBOX_coord.x"),
    Action("write the registry", "say", "$KV.diag_registry.x"),
    Action("write another bucket", "say", "$KV.other.x"),
    Action("write into the bundles beside the objects", "say", "$O.diag_bundles.x"),
    Action("write a piece of a bundle", "say", "$O.diag_bundles.C.x"),
    Action("say what a bundle is", "say", "$O.diag_bundles.M.x"),
    Action("write into another object store", "say", "$O.other.C.x"),
    Action("discover who serves", "say", "$SRV.PING"),
    Action("acknowledge a message", "say", "$JS.ACK.x"),
    Action("send a message of the application", "say", "demo.orders.create", "APP"),
    Action("discover the services' own", "say", "$SRV.INFO", "APP"),
    Action("make the registry", "ask", "$JS.API.STREAM.CREATE.KV_diag_registry", "own"),
    Action("change the registry", "ask", "$JS.API.STREAM.UPDATE.KV_diag_registry", "own"),
    Action("look at the registry", "ask", "$JS.API.STREAM.INFO.KV_diag_registry", "own"),
    Action("read the registry directly", "ask", "$JS.API.DIRECT.GET.KV_diag_registry", "own"),
    Action("read one value of it", "ask", "$JS.API.STREAM.MSG.GET.KV_diag_registry", "own"),
    Action("follow the registry", "ask", "$JS.API.CONSUMER.CREATE.KV_diag_registry", "own"),
    Action("empty the registry", "ask", "$JS.API.STREAM.PURGE.KV_diag_registry", "own"),
    Action("delete the registry", "ask", "$JS.API.STREAM.DELETE.KV_diag_registry", "own"),
    Action("make the store of bundles", "ask", "$JS.API.STREAM.CREATE.OBJ_diag_bundles", "own"),
    Action("see how full it is", "ask", "$JS.API.STREAM.INFO.OBJ_diag_bundles", "own"),
    Action("change it", "ask", "$JS.API.STREAM.UPDATE.OBJ_diag_bundles", "own"),
    Action("read a bundle directly", "ask", "$JS.API.DIRECT.GET.OBJ_diag_bundles", "own"),
    Action("have a bundle sent", "ask", "$JS.API.CONSUMER.CREATE.OBJ_diag_bundles", "own"),
    Action("empty the store of bundles", "ask", "$JS.API.STREAM.PURGE.OBJ_diag_bundles", "own"),
    Action("delete the store of bundles", "ask", "$JS.API.STREAM.DELETE.OBJ_diag_bundles", "own"),
    Action("list all streams", "ask", "$JS.API.STREAM.LIST", "own"),
    Action("create a stream", "ask", "$JS.API.STREAM.CREATE.X", "own"),
    Action("delete a stream", "ask", "$JS.API.STREAM.DELETE.X", "own"),
    Action("purge a stream", "ask", "$JS.API.STREAM.PURGE.X", "own"),
    Action("read a message of a stream", "ask", "$JS.API.STREAM.MSG.GET.X", "own"),
    Action("look at a stream", "ask", "$JS.API.STREAM.INFO.X", "own"),
    Action("look at a consumer", "ask", "$JS.API.CONSUMER.INFO.X.C", "own"),
    Action("delete a consumer", "ask", "$JS.API.CONSUMER.DELETE.X.C", "own"),
    Action("look at the application's stream", "ask", "diagapp.APP.STREAM.INFO.X", "APP"),
    Action("list the account's connections", "ask", "$SYS.REQ.ACCOUNT.PING.CONNZ", "own"),
    Action("ask the servers how they are", "ask", "diagsys.VARZ", "SYS"),
    Action("ask the servers as administrator", "ask", "$SYS.REQ.SERVER.PING.VARZ", "SYS"),
    Action("take questions to orders", "hear", "diag.orders.*", sample="diag.orders.health", queue="diag"),
    Action("take questions to payments", "hear", "diag.payments.*", sample="diag.payments.health", queue="diag"),
    Action("take questions to the mesh", "hear", "diag.mesh.*", sample="diag.mesh.check", queue="diag"),
    Action("hear questions to everybody", "hear", "diag.all.*", sample="diag.all.health"),
    Action("hear all questions", "hear", "diag.>", sample="diag.orders.health.i1"),
    Action("hear control of orders", "hear", "diagctl.orders.>", sample="diagctl.orders.chaos.i1"),
    Action("hear control of payments", "hear", "diagctl.payments.>", sample="diagctl.payments.chaos.i1"),
    Action("hear control of the mesh", "hear", "diagctl.mesh.>", sample="diagctl.mesh.forget"),
    Action("hear heartbeats and events", "hear", "diagev.>", sample="diagev.hb.orders.i1"),
    Action("read a person's answers", "hear", "_INBOX.>", "people", "_INBOX.a.b"),
    Action("read an operator's answers", "hear", "_INBOX_priv.>", "people", "_INBOX_priv.a.b"),
    Action("read the coordinator's answers", "hear", "_INBOX_coord.>", sample="_INBOX_coord.a.b"),
    Action("read a sidecar's answers", "hear", "_INBOX_agent_payments.>", sample="_INBOX_agent_payments.a"),
    Action("hear everything", "hear", ">", sample="diag.orders.logs"),
    Action("be discovered as an agent", "hear", "$SRV.*.diag-agent", sample="$SRV.PING.diag-agent"),
    Action("read the registry", "hear", "$KV.diag_registry.>", sample="$KV.diag_registry.x"),
    Action("hear messages of the application", "hear", "demo.orders.*", "APP", "demo.orders.create"),
    Action("hear the application's advisories", "hear", "$JS.EVENT.ADVISORY.>", "APP", "$JS.EVENT.ADVISORY.T"),
    Action("hear them as coordinator", "hear", "diagappev.>", "APP", "$JS.EVENT.ADVISORY.T"),
    Action("delete the application's stream", "ask", "diagapp.APP.STREAM.DELETE.X", "APP"),
    Action("make a consumer", "ask", "$JS.API.CONSUMER.CREATE.X", "own"),
    Action("list the consumers of a stream", "ask", "$JS.API.CONSUMER.LIST.X", "own"),
    Action("profile a server", "ask", "$SYS.REQ.SERVER.PING.PROFILEZ", "SYS"),
    Action("profile a server as coordinator", "ask", "diagsys.PROFILEZ", "SYS"),
    Action("list another account's connections", "ask", "$SYS.REQ.ACCOUNT.APP.CONNZ", "SYS"),
    Action("heartbeat of a made-up service", "say", "diagev.hb.billing.i1"),
    Action("control without a target", "say", "diagctl.orders.chaos"),
    Action("control payments", "say", "diagctl.payments.chaos.i1"),
    Action("write to a sidecar's inbox", "say", "_INBOX_agent_payments.x"),
    Action("write to the observer's inbox", "say", "_INBOX_observer.x", "APP"),
    Action("steal questions to orders", "hear", "diag.orders.health.i1", sample="diag.orders.health.i1", queue="diag"),
    Action("hear questions to one of payments", "hear", "diag.payments.*.i1", sample="diag.payments.health.i1"),
    Action("hear all control", "hear", "diagctl.>", sample="diagctl.orders.chaos.all"),
    Action("read the observer's answers", "hear", "_INBOX_observer.>", "APP", "_INBOX_observer.a.b"),
    Action("hear who asks for agents", "hear", "$SRV.PING", sample="$SRV.PING"),
    Action("hear what happens to the servers", "hear", "$SYS.ACCOUNT.>", "SYS", "$SYS.ACCOUNT.APP.CONNECT"),
    Action("hear it as coordinator", "hear", "diagsysev.>", "SYS", "$SYS.ACCOUNT.APP.CONNECT"),
    Action("answer a question to orders", "answer", "diag.orders.health", sample="diag.orders.health"),
    Action("answer a question to payments", "answer", "diag.payments.health", sample="diag.payments.health"),
    Action("answer a question to the mesh", "answer", "diag.mesh.check", sample="diag.mesh.check"),
)


def _fits(pattern: str, subject: str) -> bool:
    """Whether everything that ``subject`` (itself a pattern, perhaps) can name is allowed by ``pattern``."""
    ours, theirs = pattern.split("."), subject.split(".")
    for position, part in enumerate(ours):
        if part == ">":
            return len(theirs) > position
        if position >= len(theirs) or theirs[position] == ">" or part not in ("*", theirs[position]):
            return False
    return len(ours) == len(theirs)


def permitted(role: Role, action: Action) -> bool:
    """What the table of roles says about it."""
    if role.unrestricted:
        return True
    listens = action.how in ("hear", "answer")
    allowed = (f"{role.inbox}.>", *role.subscribe) if listens else role.publish
    return any(_fits(pattern, action.subject) for pattern in allowed)


class Lab:
    """A real server with all roles of a layout, and an unrestricted witness in each account."""

    def __init__(self, make_server: MakeServer, directory: Path, layout: Layout) -> None:
        self.roles = roles(SERVICES, layout)
        self.directory = directory
        names = [role.name for role in self.roles]
        homes = sorted({role.account for role in self.roles})
        public = {name: self._key(name) for name in (*names, *(f"witness-{home}" for home in homes))}
        config = accounts({name: [public[name]] for name in names}, SERVICES, layout)
        for home in homes:
            config[home]["users"].append({"nkey": public[f"witness-{home}"]})
        told = orjson.dumps({"accounts": config, "system_account": "SYS"}).decode()
        self.server = make_server(config=told, jetstream=True).start()
        self.homes = homes

    def home(self, action: Action) -> str:
        """The account in which one sees whether it worked."""
        people = next(role.account for role in self.roles if role.name == "reader")
        return people if action.account == "people" else action.account

    def _key(self, name: str) -> str:
        key = keys.generate()
        keys.write_seed(self.directory / f"{name}.nk", key)
        return key.public

    @contextlib.asynccontextmanager
    async def connected(self, name: str, refused: set[tuple[str, str]]) -> AsyncIterator[Client]:
        """A connection of a role; what the server refuses to it is noted."""

        async def on_error(error: Exception) -> None:
            found = permission_subject(error)
            if found is not None:
                refused.add(found)

        seed = str(self.directory / f"{name}.nk")
        client = await nats.connect(self.server.url, nkeys_seed=seed, error_cb=on_error, allow_reconnect=False)
        try:
            yield client
        finally:
            await client.close()


async def try_all(lab: Lab) -> dict[str, list[Cell]]:
    """Per role the outcome of every action, in their order."""
    async with contextlib.AsyncExitStack() as stack:
        heard: dict[str, set[bytes]] = {home: set() for home in lab.homes}
        witnesses = {}
        for home in lab.homes:
            witnesses[home] = await stack.enter_async_context(lab.connected(f"witness-{home}", set()))
            for subject in _WITNESSED:
                await witnesses[home].subscribe(subject, cb=_noting(heard[home]))
            await _barrier(witnesses[home])
        # So that whoever may read the registry is answered.
        stream = {"name": "KV_diag_registry", "subjects": ["$KV.diag_registry.>"], "allow_direct": True}
        made = await witnesses["DIAG"].request(
            "$JS.API.STREAM.CREATE.KV_diag_registry", orjson.dumps(stream), timeout=30
        )
        assert "error" not in orjson.loads(made.data)
        return {role.name: await _try_role(lab, role, witnesses, heard) for role in lab.roles}


async def _try_role(
    lab: Lab, role: Role, witnesses: Mapping[str, Client], heard: Mapping[str, set[bytes]]
) -> list[Cell]:
    refused: set[tuple[str, str]] = set()
    got: set[bytes] = set()
    async with lab.connected(role.name, refused) as client:
        await client.subscribe(f"{role.inbox}.try.*", cb=_replies(got))
        for action, mark in _marked(role, "hear", "answer"):
            note = _noting(got, mark) if action.how == "hear" else _answering(client, mark)
            await client.subscribe(action.subject, queue=action.queue, cb=note)
        for action, mark in _marked(role, "say", "ask"):
            reply = f"{role.inbox}.try.{mark.decode()}" if action.how == "ask" else ""
            await client.publish(action.subject, mark if action.how == "say" else b"{}", reply)
        await _barrier(client)
        for action, mark in _marked(role, "hear", "answer"):
            reply = f"_WITNESS.{role.name}" if action.how == "answer" else ""
            await witnesses[lab.home(action)].publish(action.sample, mark, reply)
        await _settle(client, witnesses)
        await _until_answered(role, refused, got)
    cells: list[Cell] = []
    for action, mark in _marked(role, "say", "ask", "hear", "answer"):
        verb = "subscription" if action.how in ("hear", "answer") else "publish"
        arrived = got if action.how in ("ask", "hear") else heard.get(action.account, set())
        proof = b"reply " + mark if action.how == "answer" else mark
        if (verb, action.subject.lower()) in refused:
            # Refused is refused: nothing may have come through all the same.
            assert proof not in arrived, (role.name, action)
            cells.append("no")
        else:
            cells.append("yes" if proof in arrived else "nobody")
    return cells


async def _barrier(client: Client) -> None:
    await asyncio.sleep(0)  # PING goes straight to the socket: let what was published before go first
    await client.flush()


async def _settle(client: Client, witnesses: Mapping[str, Client]) -> None:
    """There and back again, so that what was sent has been heard, and the answers to it as well."""
    for _ in range(2):
        for one in (*witnesses.values(), client, *witnesses.values()):
            await _barrier(one)
        await asyncio.sleep(0.05)


async def _until_answered(role: Role, refused: set[tuple[str, str]], got: set[bytes]) -> None:
    """Servers answer in their own time; what nobody answers is told by the server as well, mostly."""
    asked = {mark for action, mark in _marked(role, "ask") if ("publish", action.subject.lower()) not in refused}
    quiet_since, count = 0.0, -1
    while {mark for mark in asked if not {mark, b"503 " + mark} & got} and quiet_since < _QUIET_S:
        quiet_since = quiet_since + 0.05 if count == len(got) else 0.0
        count = len(got)
        await asyncio.sleep(0.05)


def _marked(role: Role, *how: str) -> Iterator[tuple[Action, bytes]]:
    for position, action in enumerate(ACTIONS):
        if action.how in how:
            yield action, f"{role.name}-{position}".encode()


def _noting(into: set[bytes], only: bytes = b"") -> Callable[[Msg], Any]:
    # A message may fit several subscriptions; one that was tried is proved by its own only.
    async def note(message: Msg) -> None:
        if not only or message.data == only:
            into.add(message.data)

    return note


def _answering(client: Client, mark: bytes) -> Callable[[Msg], Any]:
    async def answer(message: Msg) -> None:
        if message.reply and message.data == mark:
            await client.publish(message.reply, b"reply " + mark)

    return answer


def _replies(into: set[bytes]) -> Callable[[Msg], Any]:
    async def note(message: Msg) -> None:
        nobody = (message.headers or {}).get("Status") == "503"
        into.add((b"503 " if nobody else b"") + message.subject.rpartition(".")[2].encode())

    return note


_SHOWN: Final[Mapping[Cell, str]] = {"yes": "yes", "no": "refused", "nobody": "nobody hears"}
_HOW: Final = {"say": "publish", "ask": "request", "hear": "subscribe", "answer": "reply to"}


def spelled(action: Action) -> str:
    """Verb and subject in words."""
    return f"{_HOW[action.how]} {action.subject}"


def page(layout: Layout, rolls: Sequence[Role], cells: Mapping[str, Sequence[Cell]]) -> str:
    """The table of one layout, as the page shows it."""
    names = [role.name for role in rolls]
    lines = [
        f"## Layout `{layout}`",
        "",
        f"| action | subject | {' | '.join(names)} |",
        "|---" * (len(names) + 2) + "|",
    ]
    for position, action in enumerate(ACTIONS):
        outcome = " | ".join(_SHOWN[cells[name][position]] for name in names)
        lines.append(f"| {action.tells} | {_HOW[action.how]} `{action.subject}` | {outcome} |")
    return "\n".join(lines) + "\n"
