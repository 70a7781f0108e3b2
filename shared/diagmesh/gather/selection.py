"""Whom a selection means; what can be no name is refused in the words of somebody who asks, not of one who names."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from diagmesh.contract.mesh import MeshQuestion
from diagmesh.contract.names import RESERVED, check_token, shown
from diagmesh.contract.selector import fits, requirements
from diagmesh.errors import BadName, Declined
from diagmesh.expected import Key, label

__all__ = ["Selector", "check_instances", "check_services", "named"]

_EVERYBODY: Final = "all instances of every service: leave services empty"
_ALL_INSTANCES: Final = "all instances: leave instances empty"
_SEE: Final = "see diag.mesh.services"
_LEGAL: Final = "names are lower-case letters, digits and '-'"
_MEAN_ALL: Final = frozenset({"", "*", ">", "all"})
_MOST_NAMED: Final = 20
_NAME_CHARACTERS: Final = 63
_MOST_SAID: Final = 500
_SELECTORS: Final = 'labels: {"zone": "a"}, {"zone": ["a", "b"]} or a selector such as "zone=a,tier in (1,2),!canary"'


def check_services(services: Collection[str], known: Collection[str] = ()) -> None:
    """Refuse what can be no service.

    Args:
        services: as they were given.
        known: all that there are, to name some of them.

    Raises:
        Declined: 400, with how to ask everybody if that was meant.
    """
    for service in services:
        if service in _MEAN_ALL or service in RESERVED:
            more = ", it means the coordinators" if service == "mesh" else ""
            raise Declined(f"services: {_quoted(service)} is no service{more}", hint=_EVERYBODY)
        if not _can_be(service):
            hint = f"services: {named(sorted(known))}" if known else _SEE
            raise Declined(f"services: {_quoted(service)} can be no service: {_LEGAL}", hint=hint)


def check_instances(instances: Collection[str]) -> None:
    """Refuse what can be no instance (``i1`` or ``orders/i1``).

    Raises:
        Declined: 400, with how to ask all instances if that was meant.
    """
    for instance in instances:
        tokens = instance.split("/", 1)
        if tokens[-1] in _MEAN_ALL:
            raise Declined(f"instances: {_quoted(instance)} is no instance", hint=_ALL_INSTANCES)
        if not all(_can_be(token) for token in tokens):
            raise Declined(f"instances: {_quoted(instance)} can be no instance: {_LEGAL}", hint=_SEE)


class Selector:
    """The instances and labels of a selection, read once for however many instances.

    Args:
        selection: of a mesh question.

    Raises:
        Declined: 400 for what can be no instance, no selector of labels, or a pause between no batches.
    """

    def __init__(self, selection: MeshQuestion) -> None:
        check_instances(selection.instances)
        if selection.pause_ms and selection.batch is None:
            raise Declined("pause_ms: there is no pause without batch", hint='{"batch": 5, "pause_ms": 200}')
        self._instances = frozenset(selection.instances)
        try:
            self._labels = requirements(selection.labels)
        except BadName as error:
            raise Declined(f"labels: {error}", hint=_SELECTORS) from None

    @property
    def everybody(self) -> bool:
        """Whether nobody of the chosen services is left out."""
        return not self._instances and not self._labels

    @property
    def by_labels(self) -> bool:
        """Whether it goes by labels."""
        return bool(self._labels)

    def names(self, key: Key) -> bool:
        """Whether this instance is named, or nobody is (``i1`` or ``orders/i1``)."""
        return not self._instances or key.instance in self._instances or label(key) in self._instances

    def means(self, key: Key, labels: Mapping[str, str]) -> bool:
        """Whether this instance of a chosen service is meant."""
        return self.names(key) and fits(self._labels, labels)

    def nobody(self, labels: Iterable[Mapping[str, str]]) -> Declined:
        """The refusal where nobody fits: which requirement nobody can fulfil, and what there is.

        Args:
            labels: of each instance that would be meant without the labels.
        """
        seen: dict[str, set[str]] = {}
        for had in labels:
            for key, value in had.items():
                seen.setdefault(key, set()).add(value)
        for one in self._labels:
            if not one.negated and one.key not in seen:
                return _unknown(f"nobody has a label {one.key!r}", f"labels: {named(sorted(seen))}")
            if not one.negated and one.values and seen[one.key].isdisjoint(one.values):
                return _unknown(f"nobody has {one}", f"{one.key}: {named(sorted(seen[one.key]))}")
        return _unknown(f"nobody has all of these labels: {', '.join(map(str, self._labels))}"[:_MOST_SAID], _SEE)


def _unknown(detail: str, hint: str) -> Declined:
    return Declined(detail, code=404, error="unknown target", hint=hint)


def named(names: Collection[str]) -> str:
    """Some of these names, and how many more there are."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (", ".join(shown(name, _NAME_CHARACTERS) for name in [*names][:_MOST_NAMED]) or "none") + more


def _quoted(name: str) -> str:
    return repr(shown(name, _NAME_CHARACTERS))


def _can_be(token: str) -> bool:
    try:
        check_token(token, "name")
    except BadName:
        return False
    return True
