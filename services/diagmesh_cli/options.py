"""The options that commands share: how to show a result, and where the mesh is."""

import re
from dataclasses import dataclass, fields
from typing import Annotated, Any, Final

from cyclopts import Group, Parameter

from diagmesh.contract.selector import Labels, requirements
from diagmesh.settings import NatsSettings
from diagmesh_cli.local import rundir
from diagmesh_cli.trouble import UsageError

__all__ = ["FLAGS", "STANDARD_INPUT", "VALUED", "Batched", "Common", "Labelled", "Shown", "connection"]

STANDARD_INPUT: Final = "/dev/stdin"
"""The file that a lone dash means; a parser of options would take the dash itself for one."""

_PAUSE: Final = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,3})?)(?P<unit>ms|s)?\Z", re.ASCII)
_LONGEST_PAUSE_MS: Final = 60_000
_DEFAULTS: Final = NatsSettings()
_CONNECTION: Final = Group("Connection", sort_key=100)
_OUTPUT: Final = Group("Output", sort_key=101)
_FLAG: Final = Parameter(group=_OUTPUT, negative="", show_default=False)


def _option(metavar: str | None, *names: str) -> Parameter:
    return Parameter(group=_CONNECTION, metavar=metavar, env_var=names, negative="", show_default=False)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Shown:
    """What every command takes.

    Args:
        json: print JSON and nothing else on standard output.
        no_color: no colour (NO_COLOR does the same).
    """

    json: Annotated[bool, _FLAG] = False
    no_color: Annotated[bool, _FLAG] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common(Shown):
    """What every command takes that asks the mesh.

    Args:
        nats: NATS server. Default: a running 'diagmesh up' of yours, else nats://127.0.0.1:4222.
        nkey_file: holds the seed of your user nkey.
        creds_file: credentials file (operator mode).
        inbox_prefix: where answers to you arrive, if the server wants one per role.
        tls_ca_file: CA bundle for a private server certificate.
        tls_first: TLS before the server's greeting.
        tls_server_name: name in the server's certificate.
        tls_cert_file: certificate of yours.
        tls_key_file: its private key.
        timeout: how long to wait for an answer (default 2).
        json: print JSON and nothing else on standard output.
        no_color: no colour (NO_COLOR does the same).
    """

    nats: Annotated[str, _option("URL", "DIAGMESH_NATS__URL", "NATS_URL")] = ""
    nkey_file: Annotated[str, _option("FILE", "DIAGMESH_NATS__NKEY_FILE", "NATS_NKEY")] = ""
    creds_file: Annotated[str, _option("FILE", "DIAGMESH_NATS__CREDS_FILE", "NATS_CREDS")] = ""
    inbox_prefix: Annotated[str, _option("PREFIX", "DIAGMESH_NATS__INBOX_PREFIX")] = ""
    tls_ca_file: Annotated[str, _option("FILE", "DIAGMESH_NATS__TLS_CA_FILE", "NATS_CA")] = ""
    tls_first: Annotated[bool, _option(None, "DIAGMESH_NATS__TLS_FIRST")] = False
    tls_server_name: Annotated[str, _option("NAME", "DIAGMESH_NATS__TLS_SERVER_NAME")] = ""
    tls_cert_file: Annotated[str, _option("FILE", "DIAGMESH_NATS__TLS_CERT_FILE", "NATS_CERT")] = ""
    tls_key_file: Annotated[str, _option("FILE", "DIAGMESH_NATS__TLS_KEY_FILE", "NATS_KEY")] = ""
    timeout: Annotated[float, _option("SECONDS")] = 2.0


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Labelled(Common):
    """What every command takes that can ask a part of the mesh.

    Args:
        label: only whom it fits: zone=a, zone!=a, 'zone in (a,b)', zone, !zone; all, if given several times.
    """

    label: Annotated[tuple[str, ...], Parameter(metavar="SELECTOR", negative="", show_default=False)] = ()

    @property
    def labels(self) -> Labels:
        """What all of them ask for together, as one selector.

        Raises:
            BadName: one of them is no selector.
        """
        return ",".join(str(one) for part in self.label for one in requirements(part)) or {}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Batched(Labelled):
    """What every command takes that can go carefully.

    Args:
        batch: ask so many at a time, and never more than half of a service.
        pause: between two batches: 200ms, 1s.
    """

    batch: Annotated[int | None, Parameter(metavar="N", negative="", show_default=False)] = None
    pause: Annotated[str, Parameter(metavar="TIME", negative="", show_default=False)] = ""

    @property
    def care(self) -> dict[str, Any]:
        """The fields of a selection that say how carefully; none when it need not be careful.

        Raises:
            UsageError: a number that cannot be, or a pause without batches.
        """
        if self.batch is None:
            if self.pause:
                raise UsageError("--pause is between two batches: say --batch N, too")
            return {}
        if self.batch < 1:
            raise UsageError(f"--batch {self.batch}: say 1 or more instances")
        return {"batch": self.batch, "pause_ms": _milliseconds(self.pause) if self.pause else 0}


def _milliseconds(text: str) -> int:
    found = _PAUSE.match(text)
    ms = float(found["number"]) * (1 if found["unit"] == "ms" else 1000) if found else -1.0
    if not 0 <= ms <= _LONGEST_PAUSE_MS:
        raise UsageError(f"--pause {text!r}: write it as 200ms or 1.5s, a minute at most")
    return round(ms)


FLAGS: Final = tuple(f"--{one.name.replace('_', '-')}" for one in fields(Common) if one.default is False)
VALUED: Final = tuple(f"--{one.name.replace('_', '-')}" for one in fields(Common) if one.default is not False)


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
        tls_ca_file=common.tls_ca_file,
        tls_first=common.tls_first,
        tls_server_name=common.tls_server_name,
        tls_cert_file=common.tls_cert_file,
        tls_key_file=common.tls_key_file,
    )
