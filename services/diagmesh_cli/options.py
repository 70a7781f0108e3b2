"""The options that every command takes: where the mesh is, how to show it."""

from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Group, Parameter

from diagmesh.settings import NatsSettings
from diagmesh_cli.local import rundir

__all__ = ["FLAGS", "VALUED", "Common", "connection"]

_DEFAULTS: Final = NatsSettings()
_GROUP: Final = Group("Connection and output", sort_key=100)

VALUED: Final = ("--nats", "--nkey-file", "--creds-file", "--inbox-prefix", "--timeout")
FLAGS: Final = ("--json", "--no-color")


def _option(*names: str) -> Parameter:
    return Parameter(env_var=names, show_default=False)


@Parameter(name="*", group=_GROUP)
@dataclass(frozen=True, kw_only=True)
class Common:
    """What every command takes.

    Args:
        nats: NATS server URL. Default: a running 'diagmesh up' of yours, else nats://127.0.0.1:4222.
        nkey_file: file with the seed of your user nkey.
        creds_file: credentials file (operator mode).
        inbox_prefix: where answers to you arrive, if the server wants one per role.
        timeout: seconds to wait for an answer.
        json: print JSON and nothing else on standard output.
        no_color: no colour (NO_COLOR does the same).
    """

    nats: Annotated[str, _option("DIAGMESH_NATS__URL", "NATS_URL")] = ""
    nkey_file: Annotated[str, _option("DIAGMESH_NATS__NKEY_FILE", "NATS_NKEY")] = ""
    creds_file: Annotated[str, _option("DIAGMESH_NATS__CREDS_FILE", "NATS_CREDS")] = ""
    inbox_prefix: Annotated[str, _option("DIAGMESH_NATS__INBOX_PREFIX")] = ""
    timeout: Annotated[float, Parameter(show_default=False)] = 2.0
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False
    no_color: Annotated[bool, Parameter(negative="", show_default=False)] = False


def connection(common: Common) -> NatsSettings:
    """Where to connect, and as whom: what was given, else a running `up`, else the default port on this machine."""
    url = common.nats
    if not url:
        running = rundir.discover()
        url = running.url if running is not None else _DEFAULTS.url
    return NatsSettings(
        url=url,
        nkey_file=common.nkey_file,
        creds_file=common.creds_file,
        inbox_prefix=common.inbox_prefix or _DEFAULTS.inbox_prefix,
    )
