"""Who may do what on the embedded server: the roles of the safest simple default, for the services that run here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from diagmesh import keys

__all__ = ["Keyring", "make_keyring", "server_config"]

_HARMLESS: Final = ("diag.*.health", "diag.*.resources", "diag.mesh.check", "diag.mesh.services")
"""The questions that application services may ask across the account border."""

_DISCOVERY: Final = ["$SRV.PING", "$SRV.INFO", "$SRV.STATS"]
_ANSWERS: Final = {"max": 64, "expires": "3m"}
_FILE_BYTES: Final = 256 * 1024 * 1024
_MEMORY_BYTES: Final = 64 * 1024 * 1024


class Keyring(msgspec.Struct, frozen=True, kw_only=True):
    """The generated keys: per role a seed file (only ours) and the public key (in the server's configuration)."""

    directory: Path
    public: dict[str, str]

    def seed_file(self, role: str) -> Path:
        """The seed file of a role; sidecars are ``agent-SERVICE``."""
        return self.directory / f"{role}.nk"


def make_keyring(directory: Path, services: Sequence[str]) -> Keyring:
    """Generate a key for every role and write its seed file."""
    roles = ["coordinator", "reader", "operator", "observer", "app", *(f"agent-{name}" for name in services)]
    ring = Keyring(directory=directory, public=dict.fromkeys(roles, ""))
    made = {}
    for role in roles:
        key = keys.generate()
        keys.write_seed(ring.seed_file(role), key)
        made[role] = key.public
    return msgspec.structs.replace(ring, public=made)


def server_config(ring: Keyring, services: Sequence[str], port: int) -> bytes:
    """The server's configuration (JSON, which nats-server reads as it is); port -1 means any free one."""
    directory = ring.directory
    return orjson.dumps(
        {
            "host": "127.0.0.1",
            "port": port,
            "http": "127.0.0.1:-1",
            "server_name": "diagmesh-up",
            "ports_file_dir": str(directory),
            "ping_interval": "20s",
            "ping_max": 2,
            "max_payload": 1024 * 1024,
            "write_deadline": "10s",
            "jetstream": {
                "store_dir": str(directory / "jetstream"),
                "max_file_store": _FILE_BYTES,
                "max_memory_store": _MEMORY_BYTES,
            },
            "no_auth_user": ring.public["reader"],
            "system_account": "SYS",
            "accounts": {"SYS": {}, "DIAG": _diag(ring, services), "APP": _app(ring)},
        },
        option=orjson.OPT_INDENT_2,
    )


def _user(public: str, subscribe: Sequence[str], publish: Sequence[str], *, answers: bool = False) -> dict[str, Any]:
    permissions: dict[str, Any] = {"subscribe": {"allow": [*subscribe]}, "publish": {"allow": [*publish]}}
    if answers:
        permissions["allow_responses"] = _ANSWERS
    return {"nkey": public, "permissions": permissions}


def _diag(ring: Keyring, services: Sequence[str]) -> dict[str, Any]:
    agents = [
        _user(
            ring.public[f"agent-{name}"],
            [
                *(f"diag.{name}.>", f"diagctl.{name}.>", "diag.all.*", f"_INBOX_agent_{name}.>"),
                *(*_DISCOVERY, "$SRV.*.diag-agent", "$SRV.*.diag-agent.*"),
            ],
            [f"diagev.hb.{name}.*", f"diagev.ev.{name}.>"],
            answers=True,
        )
        for name in services
    ]
    coordinator = _user(
        ring.public["coordinator"],
        [
            *("_INBOX_coord.>", "diagev.>", "diag.mesh.*", "diag.mesh.*.*", "diagctl.mesh.>"),
            *(*_DISCOVERY, "$SRV.*.diag-coordinator", "$SRV.*.diag-coordinator.*"),
        ],
        [
            *("diag.>", "diagev.alert.>", "diagev.hb.mesh.*", "diagev.ev.mesh.>", "$SYS.REQ.ACCOUNT.PING.CONNZ"),
            *("$JS.API.>", "$JS.ACK.>", "$KV.diag_registry.>", "$O.diag_bundles.>"),
        ],
        answers=True,
    )
    reader = _user(ring.public["reader"], ["_INBOX.>", "diagev.>"], ["diag.>", "$SRV.>", "$SYS.REQ.ACCOUNT.PING.CONNZ"])
    operator = _user(ring.public["operator"], ["_INBOX_priv.>", "diagev.>"], ["diag.>", "diagctl.>", "$SRV.>"])
    return {
        "jetstream": "enabled",
        "exports": [{"service": subject, "response": "stream", "accounts": ["APP"]} for subject in _HARMLESS],
        "users": [*agents, coordinator, reader, operator],
    }


def _app(ring: Keyring) -> dict[str, Any]:
    observer = _user(
        ring.public["observer"],
        ["_INBOX_observer.>", "$JS.EVENT.ADVISORY.>"],
        [
            *(*_DISCOVERY, "$SRV.PING.>", "$SRV.INFO.>", "$SRV.STATS.>", "$SYS.REQ.ACCOUNT.PING.CONNZ"),
            *("$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.*"),
            *("$JS.API.CONSUMER.NAMES.*", "$JS.API.CONSUMER.LIST.*", "$JS.API.CONSUMER.INFO.*.*"),
        ],
    )
    return {
        "jetstream": "enabled",
        "imports": [{"service": {"account": "DIAG", "subject": subject}} for subject in _HARMLESS],
        "users": [{"nkey": ring.public["app"]}, observer],
    }
