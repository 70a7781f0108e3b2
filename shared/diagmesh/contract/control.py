"""Control requests that a coordinator understands, and where their signature stands."""

from typing import Annotated, Final

from msgspec import Meta

from diagmesh.contract.mesh import Where
from diagmesh.contract.wire import Answer, Question, Token

__all__ = ["AUTH_HEADER", "ForgetQuestion", "Forgotten"]

AUTH_HEADER: Final = "Diag-Auth"
"""``<user nkey>.<iat>.<exp>.<nonce>.<base64url signature>``; see `diagmesh.control`."""


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
