"""The configuration of a nats-server as people read and edit it."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["server_text"]

_WIDTH: Final = 120
_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_HEAD: Final = """\
# Accounts of a NATS server with diagmesh. It holds public keys only: a seed is in no server's configuration.
# A server of its own: nats-server -c nats-server.conf. Beside what you have: `include ./nats-server.conf` in your file
# (the path is relative to it). Your own users go into the account APP below: diagmesh init keeps what you write here.
ping_interval: "20s"   # by default a frozen sidecar stays in its queue group for up to 6 minutes
ping_max: 2
max_payload: 1MB
write_deadline: "10s"
# JetStream is off until the server is told where to keep data, here or in the file that includes this one:
# jetstream { store_dir: "/var/lib/nats" }
system_account: SYS
"""


def server_text(accounts: dict[str, Any]) -> str:
    """The accounts, with what a server of ours needs besides; nats-server reads it as it is."""
    return "\n".join([_HEAD + "accounts: {", *_pairs(accounts, 1), "}"]) + "\n"


def _pairs(tree: dict[str, Any], depth: int) -> Iterator[str]:
    for key, value in tree.items():
        yield from _value(f"{key if _BARE.match(key) else json.dumps(key)}: ", value, depth)


def _value(before: str, value: Any, depth: int) -> Iterator[str]:
    """On one line where it fits, else one line for each part."""
    indent = "  " * depth
    whole = f"{indent}{before}{_inline(value)}"
    if len(whole) <= _WIDTH or not isinstance(value, dict | list):
        yield whole
    elif isinstance(value, dict):
        yield f"{indent}{before}{{"
        yield from _pairs(value, depth + 1)
        yield f"{indent}}}"
    else:
        yield f"{indent}{before}["
        for one in value:
            yield from _value("", one, depth + 1)
        yield f"{indent}]"


def _inline(value: Any) -> str:
    match value:
        case dict():
            inner = ", ".join(
                f"{key if _BARE.match(key) else json.dumps(key)}: {_inline(one)}" for key, one in value.items()
            )
            return f"{{ {inner} }}" if inner else "{}"
        case list() | tuple():
            return f"[{', '.join(map(_inline, value))}]"
        case _:
            return json.dumps(value)
