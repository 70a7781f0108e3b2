"""What a shell can complete behind `diagmesh sidecar` and `diagmesh coordinator`.

These are programs of their own, which the command line does not import; a test holds this beside their --help.
"""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter

__all__ = ["PROCESSES", "looked_at"]

_COMMON: Final[dict[str, Any]] = {
    "--config": Path,
    "--nats": str,
    "--nkey-file": Path,
    "--creds-file": Path,
    "--tls-ca-file": Path,
    "--tls-first": bool,
    "--tls-server-name": str,
    "--tls-cert-file": Path,
    "--tls-key-file": Path,
    "--inbox-prefix": str,
    "--instance": str,
    "--heartbeat": str,
    "--log-level": Literal["debug", "info", "warning", "error"],
    "--alive-file": Path,
    "--operator": str,
}
PROCESSES: Final[Mapping[str, Mapping[str, Any]]] = {
    "sidecar": {
        **_COMMON,
        "--service": str,
        "--pid": str,
        "--pid-file": Path,
        "--port": str,
        "--exe": Path,
        "--command": str,
        "--systemd": str,
        "--container": str,
        "--probe-http": str,
        "--probe-tcp": str,
        "--linger": str,
        "--restart": Literal["no", "on-failure"],
        "--state-dir": Path,
        "--label": str,
        "--control": Literal["log-level"],
        "--sample": str,
    },
    "coordinator": {
        **_COMMON,
        "--replicas": str,
        "--coordinators": str,
        "--forget-after": str,
        "--registry": Literal["auto", "off", "required"],
        "--deadline": str,
        "--control": Literal["forget", "log-level"],
        "--metrics": str,
    },
}
"""Per program its options, and what each takes: a file, one of some words, anything (str) or nothing (bool)."""


def looked_at(options: Mapping[str, Any]) -> Callable[..., None]:
    """A function with these options, to be looked at and never called."""

    def program(**_: Any) -> None:
        raise NotImplementedError

    parameters = [
        inspect.Parameter(
            name.removeprefix("--").replace("-", "_"),
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[takes, Parameter(name=name, negative="")],
        )
        for name, takes in options.items()
    ]
    program.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks at first
    return program
