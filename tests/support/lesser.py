"""A user for a coordinator that lacks one of the rights which a coordinator needs."""

import copy
from pathlib import Path
from typing import Any

from diagmesh import keys
from diagmesh_cli.local.roles import Keyring

__all__ = ["with_lesser"]


def with_lesser(config: dict[str, Any], ring: Keyring, without: str) -> Path:
    """Add the user to the configuration of the server; returns its seed file, made when there is none.

    Args:
        config: as `diagmesh_cli.local.roles.server_config` makes it, decoded; changed here.
        ring: the keys of the mesh.
        without: the subscription that it may not make.
    """
    file = ring.seed_file("coordinator-lesser")
    if not file.exists():
        keys.write_seed(file, keys.generate())
    users = config["accounts"]["DIAG"]["users"]
    (proper,) = [one for one in users if one["nkey"] == ring.public["coordinator"]]
    lesser = copy.deepcopy(proper) | {"nkey": keys.public_key_of(file)}
    lesser["permissions"]["subscribe"]["allow"].remove(without)
    users.append(lesser)
    return file
