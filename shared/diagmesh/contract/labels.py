"""Labels of an instance: few, short, and written as Kubernetes writes them, so that its own can be handed on."""

import re
from collections.abc import Mapping
from typing import Final

from diagmesh.contract.names import shown
from diagmesh.errors import BadName

__all__ = ["LABEL_CHARACTERS", "MOST_LABELS", "check_key", "check_labels", "check_value", "labels_of"]

MOST_LABELS: Final = 32
LABEL_CHARACTERS: Final = 63
"""Of a key, and of a value: all labels of an instance are never more than 4 KiB of its heartbeat."""

_key: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z"
)
_value: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?\Z")
_LEGAL: Final = "letters, digits, '-', '_' and '.', a letter or digit at both ends, at most 63 characters"


def check_key(key: str) -> str:
    """Return ``key`` if it can be the key of a label (``zone``, ``app.kubernetes.io/version``).

    Raises:
        BadName: it cannot, with what can.
    """
    if len(key) > LABEL_CHARACTERS or not _key.match(key):
        raise BadName(f"label {_quoted(key)}: that is no key: {_LEGAL}, and one '/' after a prefix")
    return key


def check_value(key: str, value: str) -> str:
    """Return ``value`` if a label can have it; it may be empty.

    Raises:
        BadName: it cannot, naming the key.
    """
    if len(value) > LABEL_CHARACTERS or not _value.match(value):
        raise BadName(f"label {_quoted(key)}: {_quoted(value)} is no value: {_LEGAL}, or empty")
    return value


def check_labels(labels: Mapping[str, str]) -> None:
    """Refuse labels that no instance may have.

    Raises:
        BadName: too many, or a key or value that cannot be; it names the key.
    """
    if len(labels) > MOST_LABELS:
        raise BadName(f"{len(labels)} labels: an instance has {MOST_LABELS} at most")
    for key, value in labels.items():
        check_value(check_key(key), value)


def labels_of(text: str) -> dict[str, str]:
    """Labels as an environment variable holds them: ``zone=a,version=1.2``.

    Raises:
        BadName: a part is not KEY=VALUE, a key stands there twice, or it cannot be a label.
    """
    labels: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not equals:
            raise BadName(f"label {_quoted(part)}: write it as KEY=VALUE")
        if key in labels:
            raise BadName(f"label {_quoted(key)}: it is there twice")
        labels[key] = value
    check_labels(labels)
    return labels


def _quoted(text: str) -> str:
    return repr(shown(text, LABEL_CHARACTERS + 1))
