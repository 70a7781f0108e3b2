"""Why a knock came no further."""

from diagmesh.contract.answers.connection import DoorVerdict

__all__ = ["Shut"]


class Shut(Exception):
    """A layer that did not let us through.

    Args:
        verdict: how far it came.
        reason: why no further, in words without secrets.
        fix: what to do about it.
    """

    def __init__(self, verdict: DoorVerdict, reason: str, fix: str = "") -> None:
        super().__init__(reason)
        self.verdict = verdict
        self.reason = reason
        self.fix = fix
