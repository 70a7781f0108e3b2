"""Every subject of the mesh, built and parsed in one place (product.md, "Subjects")."""

import re
from typing import Final

__all__ = [
    "CONNZ",
    "QUEUE",
    "ask_all",
    "ask_everyone",
    "ask_instance",
    "ask_mesh",
    "ask_one",
    "control",
    "event",
    "heartbeat",
    "heartbeats",
    "is_inbox",
    "kind_of",
    "matches",
]

# A prefix, then tokens without blanks, control characters and wildcards, none of them empty.
_inbox: Final = re.compile(r"(?:_INBOX\.|_INBOX_|_R_\.)[^\s\x00-\x1f.*>]+(?:\.[^\s\x00-\x1f.*>]+)*\Z").match

QUEUE: Final = "diag"
"""The queue group in which the instances of one service share ``diag.<service>.<kind>``."""

CONNZ: Final = "$SYS.REQ.ACCOUNT.PING.CONNZ"
"""The connections of our own account, one reply per server (auto-imported and bound to the account)."""


def ask_one(service: str, kind: str) -> str:
    """One instance of a service, whichever the server picks."""
    return f"diag.{service}.{kind}"


def ask_all(service: str, kind: str) -> str:
    """Each instance of a service."""
    return f"diag.{service}.{kind}.all"


def ask_instance(service: str, kind: str, instance: str) -> str:
    """One known instance."""
    return f"diag.{service}.{kind}.{instance}"


def ask_everyone(kind: str) -> str:
    """Each instance of each service; for people at a CLI, because its answers cannot be attributed."""
    return f"diag.all.{kind}"


def ask_mesh(kind: str, coordinator: str = "") -> str:
    """A coordinator (any, or a named one): aggregated, the silent named."""
    return f"diag.mesh.{kind}.{coordinator}" if coordinator else f"diag.mesh.{kind}"


def control(service: str, kind: str, instance: str = "") -> str:
    """A signed control request to one named instance; without one it is refused with the name to use."""
    return f"diagctl.{service}.{kind}.{instance}" if instance else f"diagctl.{service}.{kind}"


def heartbeat(service: str, instance: str) -> str:
    """Where one instance says that it is there."""
    return f"diagev.hb.{service}.{instance}"


def heartbeats() -> str:
    """All heartbeats, to subscribe to."""
    return "diagev.hb.*.*"


def event(service: str, kind: str) -> str:
    """Where an instance tells what happened."""
    return f"diagev.ev.{service}.{kind}"


def is_inbox(reply: str) -> bool:
    """Whether a reply subject is one that we may answer to.

    Anything else would make us a deputy: a reader could have us publish a control message in its place
    (nats.md §3.3). ``_R_.`` is what the server writes for requests that come through an account import.
    """
    return _inbox(reply) is not None


def kind_of(subject: str) -> str:
    """The kind token of a question's subject (``diag.<service>.<kind>…``); empty when there is none."""
    tokens = subject.split(".", 3)
    return tokens[2] if len(tokens) > 2 else ""


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject falls under a subscription pattern (``*`` one token, ``>`` one or more at the end)."""
    wanted, given = pattern.split("."), subject.split(".")
    for position, part in enumerate(wanted):
        if part == ">":
            return len(given) > position
        if position >= len(given) or part not in ("*", given[position]):
            return False
    return len(wanted) == len(given)
