"""The key that signs control requests, and the connection that may carry them."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from diagmesh_cli.local import rundir
from diagmesh_cli.options import Common
from diagmesh_cli.trouble import UsageError

__all__ = ["SeedFile", "operator"]

_PRIVILEGED_INBOX: Final = "_INBOX_priv"
SeedFile = Annotated[Path | None, Parameter(metavar="FILE", show_default=False)]
"""The option ``--seed-file``."""


def operator(seed_file: Path | None, common: Common) -> tuple[Path, Common]:
    """The seed file of the key that signs, and the connection: with the same key, where none is given for it.

    Raises:
        UsageError: nobody said whose key.
    """
    running = rundir.discover() if not common.nats else None
    if seed_file is None and common.nkey_file:
        seed_file = Path(common.nkey_file)
    if seed_file is None and running is not None:
        seed_file = Path(running.operator_seed_file)
    if seed_file is None:
        raise UsageError("whose key signs this? give --seed-file FILE with the seed of an operator's user nkey")
    if common.nkey_file or common.creds_file:
        return seed_file, common
    inbox = common.inbox_prefix or (_PRIVILEGED_INBOX if running is not None else "")
    return seed_file, replace(common, nkey_file=str(seed_file), inbox_prefix=inbox)
