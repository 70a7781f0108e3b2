"""Who may do what on the embedded server: the roles of the safest simple default, for the services that run here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import orjson

from diagmesh import keys
from diagmesh_cli.local.permissions import accounts, agent_role

__all__ = ["Keyring", "make_keyring", "server_config"]

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
    roles = ["coordinator", "reader", "operator", "observer", "app", *map(agent_role, services)]
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
            "accounts": accounts({role: [public] for role, public in ring.public.items()}, services),
        },
        option=orjson.OPT_INDENT_2,
    )
