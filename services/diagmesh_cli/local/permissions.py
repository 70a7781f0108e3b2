"""Who may do what: one table, from which the configuration of every server, the documented table and its tests come."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

__all__ = ["LAYOUTS", "Layout", "Role", "accounts", "agent_role", "roles"]

Layout = Literal["simple", "accounts"]
LAYOUTS: Final[tuple[Layout, ...]] = ("simple", "accounts")
Keys = Mapping[str, Sequence[str]]
"""Per role the public keys that are accepted: one, and the one before it while a key is changed."""

HARMLESS: Final = (
    *("diag.*.health", "diag.*.resources", "diag.mesh.check", "diag.mesh.services"),
    *(f"diag.mesh.{kind}.*" for kind in ("health", "resources", "check", "services", "coordinator")),
)
"""The questions that application services may ask across the account border; if one coordinator fails, of another."""

_DISCOVERY: Final = ("$SRV.PING", "$SRV.INFO", "$SRV.STATS")
_OWN_CONNECTIONS: Final = "$SYS.REQ.ACCOUNT.PING.CONNZ"
_ANSWERS: Final = {"max": 64, "expires": "3m"}
_SERVER_QUESTIONS: Final = ("CONNZ", "VARZ", "JSZ", "STATSZ", "HEALTHZ", "SUBSZ")
_SERVER_EVENTS: Final = (
    *("$SYS.ACCOUNT.*.CONNECT", "$SYS.ACCOUNT.*.DISCONNECT", "$SYS.SERVER.*.CLIENT.AUTH.ERR"),
    *("$SYS.SERVER.*.LAMEDUCK", "$SYS.SERVER.*.SHUTDOWN", "$SYS.SERVER.*.STATSZ"),
)
_STREAM_QUESTIONS: Final = ("STREAM.INFO.*", "CONSUMER.INFO.*.*")
_REGISTRY: Final = (
    *(f"$JS.API.STREAM.{verb}.KV_diag_registry" for verb in ("INFO", "CREATE", "UPDATE")),
    *("$JS.API.DIRECT.GET.KV_diag_registry", "$KV.diag_registry.>"),
)
"""What a coordinator needs to remember who is expected; no other stream, and not to delete this one."""
_BUNDLES: Final = (
    *(f"$JS.API.STREAM.{verb}.OBJ_diag_bundles" for verb in ("INFO", "CREATE")),
    *("$O.diag_bundles.C.*", "$O.diag_bundles.M.*"),
)
"""What it needs to put files away that no reply can carry; not to read, change or delete them."""
_ADVISORIES: Final = "$JS.EVENT.ADVISORY.>"


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """One user of the server, and all that it may do.

    Args:
        name: of the role; its key file is called so.
        account: where it lives.
        holder: whom its key is given to.
        inbox: where answers to it arrive; nobody else may listen there.
        subscribe: what it may hear, besides its inbox.
        publish: what it may say.
        answers: whether it may reply to what it was asked, wherever the reply goes.
        unrestricted: whether nothing at all is refused to it within its account.
    """

    name: str
    account: str
    holder: str
    inbox: str = "_INBOX"
    subscribe: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    answers: bool = False
    unrestricted: bool = False

    def user(self, public: str) -> dict[str, Any]:
        """The user of one key, as nats-server reads it."""
        if self.unrestricted:
            return {"nkey": public}
        permissions: dict[str, Any] = {
            "subscribe": {"allow": [f"{self.inbox}.>", *self.subscribe]},
            "publish": {"allow": [*self.publish]},
        }
        if self.answers:
            permissions["allow_responses"] = _ANSWERS
        return {"nkey": public, "permissions": permissions}


def agent_role(service: str) -> str:
    """The role of the sidecars of a service."""
    return f"agent-{service}"


def roles(services: Sequence[str], layout: Layout = "simple") -> tuple[Role, ...]:
    """All roles of a server, the sidecars of each service first."""
    return (*map(_agent, services), _coordinator(layout), *_people(layout), *_application(), _administrator())


def _agent(service: str) -> Role:
    return Role(
        name=agent_role(service),
        account="DIAG",
        holder=f"sidecars of {service}",
        inbox=f"_INBOX_agent_{service}",
        subscribe=(
            *(f"diag.{service}.>", f"diagctl.{service}.>", "diag.all.*"),
            *(*_DISCOVERY, "$SRV.*.diag-agent", "$SRV.*.diag-agent.*"),
        ),
        publish=(f"diagev.hb.{service}.*", f"diagev.ev.{service}.>"),
        answers=True,
    )


def _coordinator(layout: Layout) -> Role:
    wide = layout == "accounts"
    return Role(
        name="coordinator",
        account="DIAG",
        holder="coordinators",
        inbox="_INBOX_coord",
        subscribe=(
            *("diagev.>", "diag.mesh.*", "diag.mesh.*.*", "diagctl.mesh.>"),
            *(*_DISCOVERY, "$SRV.*.diag-coordinator", "$SRV.*.diag-coordinator.*"),
            *(("diagsysev.>", "diagappev.>") if wide else ()),
        ),
        publish=(
            *("diag.>", "diagev.alert.>", "diagev.hb.mesh.*", "diagev.ev.mesh.>", _OWN_CONNECTIONS),
            *_REGISTRY,
            *_BUNDLES,
            *(("diagsys.>", "diagapp.>") if wide else ()),
        ),
        answers=True,
    )


def _people(layout: Layout) -> tuple[Role, Role]:
    account = "OPS" if layout == "accounts" else "DIAG"
    # A plain `nats req` has the inbox _INBOX; nobody of another role shares it within the account.
    reader = Role(
        name="reader",
        account=account,
        holder="people who look",
        subscribe=("diagev.>",),
        publish=("diag.>", "$SRV.>", _OWN_CONNECTIONS),
    )
    operator = Role(
        name="operator",
        account=account,
        holder="people who act",
        inbox="_INBOX_priv",
        subscribe=("diagev.>",),
        publish=("diag.>", "diagctl.>", "$SRV.>"),
    )
    return reader, operator


def _application() -> tuple[Role, Role]:
    observer = Role(
        name="observer",
        account="APP",
        holder="all sidecars, besides",
        inbox="_INBOX_observer",
        subscribe=(_ADVISORIES,),
        publish=(
            *(*_DISCOVERY, "$SRV.PING.>", "$SRV.INFO.>", "$SRV.STATS.>", _OWN_CONNECTIONS),
            *("$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.*"),
            *("$JS.API.CONSUMER.NAMES.*", "$JS.API.CONSUMER.LIST.*", "$JS.API.CONSUMER.INFO.*.*"),
        ),
    )
    return Role(name="app", account="APP", holder="your services", unrestricted=True), observer


def _administrator() -> Role:
    return Role(name="sysadmin", account="SYS", holder="who runs the server", unrestricted=True)


def accounts(keys: Keys, services: Sequence[str], layout: Layout = "simple") -> dict[str, Any]:
    """The accounts of the server, for the roles that have a key."""
    told = _simple() if layout == "simple" else _wide()
    for role in roles(services, layout):
        told[role.account].setdefault("users", []).extend(map(role.user, keys.get(role.name, ())))
    return told


def _simple() -> dict[str, Any]:
    return {
        "SYS": {},
        "DIAG": {"jetstream": "enabled", "exports": [_offered(subject, "APP") for subject in HARMLESS]},
        "APP": {"jetstream": "enabled", "imports": [_taken("DIAG", subject) for subject in HARMLESS]},
    }


def _wide() -> dict[str, Any]:
    """People get an account of their own, and the coordinator sees servers and the streams of the application."""
    streams = [f"$JS.API.{question}" for question in _STREAM_QUESTIONS]
    told = _simple()
    told["SYS"]["exports"] = [
        *(_offered(f"$SYS.REQ.SERVER.PING.{question}", "DIAG") for question in _SERVER_QUESTIONS),
        *({"stream": event, "accounts": ["DIAG"]} for event in _SERVER_EVENTS),
    ]
    told["DIAG"]["imports"] = [*_seen_by_the_coordinator(streams)]
    told["DIAG"]["exports"] += [
        *(_offered("diag.>", "OPS"), _offered("diagctl.>", "OPS"), {"stream": "diagev.>", "accounts": ["OPS"]}),
    ]
    told["APP"]["exports"] = [
        *(_offered(subject, "DIAG") for subject in streams),
        {"stream": _ADVISORIES, "accounts": ["DIAG"]},
    ]
    told["OPS"] = {
        "imports": [
            # The receiver is told who asks, and what the asker writes there himself is replaced.
            *({**_taken("DIAG", subject), "share": True} for subject in ("diag.>", "diagctl.>")),
            {"stream": {"account": "DIAG", "subject": "diagev.>"}},
        ]
    }
    return told


def _seen_by_the_coordinator(streams: Sequence[str]) -> Iterator[dict[str, Any]]:
    # Never under the bare name: every account has that one, bound to itself.
    for question in _SERVER_QUESTIONS:
        yield {**_taken("SYS", f"$SYS.REQ.SERVER.PING.{question}"), "to": f"diagsys.{question}"}
    for event in _SERVER_EVENTS:
        yield {"stream": {"account": "SYS", "subject": event}, "prefix": "diagsysev"}
    for subject in streams:
        yield {**_taken("APP", subject), "to": subject.replace("$JS.API", "diagapp.APP")}
    yield {"stream": {"account": "APP", "subject": _ADVISORIES}, "prefix": "diagappev.APP"}


def _offered(subject: str, account: str) -> dict[str, Any]:
    # One answer is the default of an export, and would be all that comes of many.
    return {"service": subject, "response": "stream", "accounts": [account]}


def _taken(account: str, subject: str) -> dict[str, Any]:
    return {"service": {"account": account, "subject": subject}}
