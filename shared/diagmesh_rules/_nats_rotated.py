"""Whether credentials that are refused now were good before: what tells a rotation from a mistake."""

from diagmesh.contract.answers.connection import Connection, DoorVerdict

__all__ = ["rotated"]


def rotated(answer: Connection) -> bool:
    """Whether the instance had a connection a moment ago, and its credentials are refused now."""
    refused = any(door.verdict is DoorVerdict.CREDENTIALS_REFUSED for door in answer.doors)
    return refused and any(one.lately and (one.lived_s or 0.0) > 0.0 for one in answer.ended or ())
