"""Signed control requests: what may be asked for, and where the signature stands."""

from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta

from diagmesh.contract.measures import Measure
from diagmesh.contract.mesh import Where
from diagmesh.contract.wire import Answer, Question, Token

__all__ = ["AUTH_HEADER", "ForgetQuestion", "Forgotten", "Level", "LogLevel", "LogLevelQuestion"]

AUTH_HEADER: Final = "Diag-Auth"
"""``<user nkey>.<iat>.<exp>.<nonce>.<base64url signature>``; see `diagmesh.control`."""

Level = Literal["debug", "info", "warning", "error"]


class ForgetQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """``diagctl.mesh.forget.<coordinator>``: do not expect this one any longer.

    Args:
        service: whose instances.
        instance: which one; empty for all that are lost.
    """

    service: Token
    instance: Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9-]{0,62})?$")] = ""


class Forgotten(Answer, frozen=True, kw_only=True, omit_defaults=False, gc=False):
    """What the coordinator no longer expects, and what it keeps because it is live."""

    forgotten: tuple[Where, ...] = ()
    kept: tuple[Where, ...] = ()


class LogLevelQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """``diagctl.<service>.log-level.<instance>``: the sidecar (or coordinator) logs more or less for a while.

    Args:
        level: of its own log; the service is not touched.
        for_s: after so many seconds it is again what the settings say.
    """

    level: Level
    for_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0


class LogLevel(Answer, frozen=True, kw_only=True, omit_defaults=False, gc=False):
    """The level at which it logs now, and for how long.

    Args:
        level: what it is now.
        then: what it is again at the end of that time.
        until: when that is, by its clock.
        for_s: how long that is from now on.
    """

    level: str
    then: str
    until: datetime
    for_s: Annotated[float, Measure("s")]
